// What a reader does: choose, open and close, search, and all of that with the keyboard.
const [search, counted, previous, next] = ["search", "hits", "previous", "next"].map((id) => document.getElementById(id));
const FEW = 40;
const sought = rows.map(({ node }) => {
  if (node === null) return null;
  const { id, file, hash, family, copies, claims } = nodes[node];
  return [id, file, hash, family, ...copies, ...claims].join("\n").toLowerCase();
});

function choose(place) {
  state.chosen = place;
  if (place === null) panel.hidden = true;
  else {
    state.focused = place;
    reveal(place);
    describe(place);
  }
  draw();
}

function goTo(place) {
  choose(place);
  centre(place);
}

function toggle(place) {
  if (!canClose(rows[place])) return;
  closed[place] = !closed[place];
  state.focused = place;
  draw();
  show();
  markOf(place).focus({ preventScroll: true });
}

function markOf(place) {
  return marks.querySelector(`[data-place="${place}"]:not(.ghost)`);
}

function find(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  state.hits = wanted.length ? [...rows.keys()].filter((place) => sought[place] !== null && wanted.every((word) => sought[place].includes(word))) : [];
  state.hit = state.hits.length ? 0 : -1;
  if (state.hits.length <= FEW) state.hits.forEach(reveal);
  sayHits(wanted.length > 0);
  draw();
  if (state.hits.length) {
    reveal(state.hits[0]);
    draw();
    centre(state.hits[0]);
  }
}

function sayHits(isSought) {
  const count = state.hits.length;
  [previous.disabled, next.disabled] = [count === 0, count === 0];
  counted.textContent = isSought ? (count ? `${state.hit + 1} of ${count}` : "none") : "";
}

function step(by) {
  const count = state.hits.length;
  if (!count) return;
  state.hit = (state.hit + by + count) % count;
  sayHits(true);
  goTo(state.hits[state.hit]);
}

let waiting;
search.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => find(search.value), 120);
});
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter") step(event.shiftKey ? -1 : state.chosen === state.hits[state.hit] ? 1 : 0);
});
previous.addEventListener("click", () => step(-1));
next.addEventListener("click", () => step(1));

marks.addEventListener("click", (event) => {
  const mark = event.target.closest(".row");
  if (!mark || moved >= 5) return;
  if (mark.matches(".ghost")) {
    if (mark.dataset.place) goTo(Number(mark.dataset.place));
    return;
  }
  const place = Number(mark.dataset.place);
  if (rows[place].node === null || event.target.closest(".glyph, .badge")) toggle(place);
  else {
    choose(place);
    markOf(place).focus({ preventScroll: true });
  }
});
lines.addEventListener("click", (event) => {
  const group = event.target.closest("[data-edge]");
  if (group && moved < 5) choose(rowOf.get(edges[group.dataset.edge].child));
});
document.querySelector("aside").addEventListener("click", (event) => {
  const { row, model } = event.target.dataset;
  const node = nodes.findIndex(({ id, copies }) => id === model || copies.includes(model));
  if (row !== undefined) goTo(Number(row));
  else if (model !== undefined && node >= 0) goTo(rowOf.get(node));
});

function everything(isClosed) {
  rows.forEach((row, place) => { closed[place] = isClosed && canClose(row) && row.kind !== "family"; });
  state.focused = shownFor(state.focused);
  chooseColumns(room(), isClosed ? LEGIBLE : 0);
  draw();
  if (isClosed) firstView();
  else fit();
}
document.getElementById("open-all").addEventListener("click", () => everything(false));
document.getElementById("close-all").addEventListener("click", () => everything(true));
document.getElementById("closer").addEventListener("click", () => zoomBy(1.35));
document.getElementById("farther").addEventListener("click", () => zoomBy(1 / 1.35));
document.getElementById("fit").addEventListener("click", () => fit());
document.getElementById("scheme").addEventListener("click", () => {
  const { dataset } = document.documentElement;
  const isDark = dataset.scheme ? dataset.scheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.scheme = isDark ? "light" : "dark";
});

function moveTo(place) {
  state.focused = place;
  if (rows[place].node !== null) choose(place);
  else draw();
  centre(place);
  markOf(place).focus({ preventScroll: true });
}

marks.addEventListener("keydown", (event) => {
  const shown = [...drawing.at.keys()];
  const [here, row] = [shown.indexOf(state.focused), rows[state.focused]];
  const moves = {
    ArrowDown: () => moveTo(shown[Math.min(here + 1, shown.length - 1)]),
    ArrowUp: () => moveTo(shown[Math.max(here - 1, 0)]),
    Home: () => moveTo(shown[0]),
    End: () => moveTo(shown.at(-1)),
    ArrowRight: () => (closed[state.focused] && canClose(row) ? toggle(state.focused) : moveTo(shown[Math.min(here + 1, shown.length - 1)])),
    ArrowLeft: () => (!closed[state.focused] && canClose(row) ? toggle(state.focused) : row.under !== null && moveTo(row.under)),
    Enter: () => toggle(state.focused),
    " ": () => toggle(state.focused),
  };
  if (!moves[event.key]) return;
  event.preventDefault();
  moves[event.key]();
});
addEventListener("keydown", (event) => {
  if (event.target === search) return;
  const keys = { "/": () => search.focus(), "+": () => zoomBy(1.35), "-": () => zoomBy(1 / 1.35), 0: () => fit(), Escape: () => choose(null) };
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

let resizing;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => { chooseColumns(room(), LEGIBLE); draw(); show(); }, 150);
});

if (matchMedia("(max-width: 46rem)").matches) {
  for (const part of document.querySelectorAll("aside details")) part.open = false;
}
chooseColumns(room(), LEGIBLE);
draw();
firstView();
