// The drawing: cards, lines from each model to the one that it hangs from, and rows.
const [cards, lines, marks] = ["cards", "edges", "rows"].map((id) => document.getElementById(id));
let drawing = { at: new Map(), width: 0, height: 0, widths: [0] };

function svg(name, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function draw() {
  drawing = placed();
  const lineage = new Set(state.chosen === null ? [] : lineageOf(state.chosen));
  cards.replaceChildren(...drawing.blocks.map(({ x, y, width, height }) => svg("rect", { class: "card", x, y, width, height, rx: 12 })));
  lines.replaceChildren(...trunks(), ...branches(lineage), ...arcs());
  const hits = new Set(state.hits);
  marks.replaceChildren(...[...drawing.at.keys()].map((place) => rowMark(place, hits.has(place), lineage.has(place))), ...ghosts());
  marks.classList.toggle("searching", hits.size > 0);
}

// Where the line to a row starts: at its source, or where the source is named again on the row's own card.
function startOf(place) {
  const source = shownSource(rows[place], drawing.hidden);
  if (source === null) return null;
  const [from, { block }] = [drawing.at.get(source), drawing.at.get(place)];
  return from.block === block ? from : block.ghosts.get(source);
}

function trunks() {
  const last = new Map();
  for (const [place, { x, y }] of drawing.at) {
    const from = startOf(place);
    if (from !== null && from.x < x) last.set(from, y);
  }
  return [...last].map(([from, y]) => svg("path", { class: "trunk", d: `M${from.x} ${from.y + RADIUS + 2}V${y - CORNER}` }));
}

function branches(lineage) {
  const found = [];
  for (const [place, to] of drawing.at) {
    const [row, from] = [rows[place], startOf(place)];
    if (from === null) continue;
    const isBelow = from.x === to.x;
    const edge = row.edge === null ? null : edges[row.edge];
    const look = edge === null ? (isBelow ? "training-line" : "folded") : lookOf(edge);
    const hasArrow = edge !== null && edge.directed && !isBelow;
    const end = to.x - RADIUS - (hasArrow ? 8 : 3);
    const turn = `Q${from.x} ${to.y} ${from.x + CORNER} ${to.y}H`;
    const own = isBelow ? `M${to.x} ${from.y + RADIUS + 2}V${to.y - RADIUS - 2}` : `M${from.x} ${to.y - CORNER}${turn}${end}`;
    const whole = isBelow ? own : `M${from.x} ${from.y + RADIUS + 2}V${to.y - CORNER}${turn}${end}`;
    const group = edgeGroup(row.edge, look, own, whole);
    if (lineage.has(place)) group.classList.add("lineage");
    if (hasArrow) group.append(arrow(to.x - RADIUS - 2, to.y, 1));
    found.push(group);
  }
  return found;
}

// What a card repeats of an earlier one, so that its lines come from somewhere.
function ghosts() {
  return drawing.blocks.flatMap(({ heading, ghosts: named }) => {
    const shown = [...named].map(([place, found]) => ghost(found, { "data-place": place }, svg("circle", { class: "glyph", r: RADIUS - 0.5 })));
    return heading ? [ghost(heading, {}), ...shown] : shown;
  });
}

function ghost({ x, y, words }, attributes, ...drawn) {
  return svg("g", { class: "row ghost", "aria-hidden": true, transform: `translate(${x} ${y})`, ...attributes }, ...drawn, ...texts(words));
}

function texts(words) {
  return words.map(({ kind, text, start }) => svg("text", { class: kind, x: start }, text));
}

function arcs() {
  return drawing.blocks.flatMap((block) => block.arcs.map(({ edge, from, place, x }) => {
    const [start, stop] = [drawing.at.get(from), drawing.at.get(place)];
    const down = stop.y > start.y ? 6 : -6;
    const path = `M${start.end} ${start.y}H${x - 6}Q${x} ${start.y} ${x} ${start.y + down}V${stop.y - down}Q${x} ${stop.y} ${x - 6} ${stop.y}H${stop.end + 7}`;
    const group = edgeGroup(edge, lookOf(edges[edge]), path, path);
    group.append(arrow(stop.end + 1, stop.y, -1));
    return group;
  }));
}

function lookOf(edge) {
  return edge.directed ? edge.kind.replace(" ", "-") : `${edge.kind.replace(" ", "-")} unsure`;
}

function edgeGroup(edge, look, own, whole) {
  const group = svg("g", { class: `edge ${look}` }, svg("path", { class: "shown", d: own }));
  if (edge === null) return group;
  group.dataset.edge = edge;
  group.append(svg("path", { class: "whole", d: whole }), svg("path", { class: "reach", d: own }));
  return group;
}

function arrow(x, y, way) {
  return svg("path", { class: "arrow", d: `M${x} ${y}L${x - 7 * way} ${y - 3.5}V${y + 3.5}Z` });
}

function rowMark(place, isHit, isOfLineage) {
  const [row, { x, y, words, end }] = [rows[place], drawing.at.get(place)];
  const isMerge = row.edge !== null && edges[row.edge].kind === "merged";
  const states = [isMerge && "merge", isHit && "hit", place === state.chosen && "chosen", isOfLineage && "lineage"];
  const mark = svg("g", {
    class: ["row", row.kind, ...states.filter(Boolean)].join(" "),
    transform: `translate(${x} ${y})`,
    role: "treeitem",
    tabindex: place === state.focused ? 0 : -1,
    "aria-level": row.depth + (row.kind === "family" ? 1 : 2),
    "aria-label": [nameOf(row), ...words.slice(1).map((word) => word.text)].join(", "),
    "data-place": place,
  });
  if (canClose(row)) mark.setAttribute("aria-expanded", !closed[place]);
  mark.append(
    svg("rect", { class: "behind", x: -RADIUS - 6, y: 1.5 - ROW / 2, width: end - x + RADIUS + 8, height: ROW - 3, rx: 6 }),
    ...glyph(row, place, isMerge),
    ...texts(words),
  );
  return mark;
}

function glyph(row, place, isMerge) {
  if (row.kind === "family") return [svg("path", { class: "glyph", d: closed[place] ? "M-2.5 -4.5L4 0L-2.5 4.5Z" : "M-4.5 -2.5L4.5 -2.5L0 4Z" })];
  if (row.kind === "fold") return [-4.5, 0, 4.5].map((cy) => svg("circle", { class: "glyph", cy, r: 1.7 }));
  const look = closed[place] && canClose(row) ? "glyph closed" : "glyph";
  if (isMerge) return [svg("path", { class: look, d: "M0 -6L6 0L0 6L-6 0Z" })];
  return [svg("circle", { class: look, r: row.kind === "open" ? RADIUS : RADIUS - 0.5 })];
}
