"use strict";
const root = document.documentElement;
document.getElementById("scheme").addEventListener("click", () => {
  const isDark = root.dataset.scheme ? root.dataset.scheme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.scheme = isDark ? "light" : "dark";
});

const body = document.querySelector("#accuracy tbody");
const headings = [...document.querySelectorAll("#accuracy thead th")];
const rows = [...body.rows];

function compare(left, right) {
  if (left === "" || right === "") return (left === "") - (right === "");
  const difference = Number(left) - Number(right);
  return Number.isNaN(difference) ? left.localeCompare(right, "en", { numeric: true }) : difference;
}

headings.forEach((heading, place) => heading.firstElementChild.addEventListener("click", () => {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  headings.forEach((each) => each.setAttribute("aria-sort", "none"));
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const value = (row) => row.cells[place + 1].dataset.value;
  rows.sort((left, right) => {
    const order = compare(value(left), value(right));
    return descending && value(left) !== "" && value(right) !== "" ? -order : order;
  });
  body.append(...rows);
}));

document.getElementById("filter").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  rows.forEach((row) => {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  });
  const count = rows.filter((row) => !row.hidden).length;
  document.getElementById("shown").textContent = count === 1 ? "1 row" : `${count} rows`;
});

const STYLE = JSON.parse(document.getElementById("style").textContent);

// Records of what `lineage.report.page.packed` made columns of.
function unpacked(packed) {
  const columns = Object.entries(packed).map(([name, column]) => {
    return [name, Array.isArray(column) ? column : column.at.map((place) => column.words[place])];
  });
  const [[, first]] = columns;
  return first.map((_, row) => Object.fromEntries(columns.map(([name, values]) => [name, values[row]])));
}

function read(figure) {
  const specification = JSON.parse(figure.querySelector("script").textContent);
  const datasets = Object.entries(specification.datasets).map(([name, packed]) => [name, unpacked(packed)]);
  return { ...specification, config: STYLE, datasets: Object.fromEntries(datasets) };
}

const WIDEST = { wide: 640, square: 640, panels: 900 };
const views = new Map();

function fitted(original, width) {
  const legend = { ...original.config.legend, columns: width < 420 ? 2 : 4 };
  const specification = { ...original, config: { ...original.config, legend } };
  const { kind, panel } = specification.usermeta;
  const room = Math.min(width, WIDEST[kind]);
  if (kind === "panels") {
    const [axis, gap] = [90, 10];
    const least = Math.min(panel, (room - axis - gap) / 2);
    const columns = Math.floor((room - axis + gap) / (least + gap));
    const inside = Math.floor((room - axis + gap) / columns) - gap;
    const header = { ...specification.config.header, labelLimit: inside };
    const config = { ...specification.config, header };
    return { ...specification, config, columns, spec: { ...specification.spec, width: Math.min(inside, 230) } };
  }
  return kind === "square" ? { ...specification, width: room - 24, height: room - 24 } : { ...specification, width: room };
}

async function draw(figure) {
  const chart = figure.querySelector(".chart");
  const width = Math.floor(chart.parentElement.clientWidth);
  const drawn = views.get(figure);
  if (drawn && drawn.width === width) return;
  if (drawn) drawn.view.finalize();
  const specification = read(figure);
  views.set(figure, { width, view: { finalize() {} } });
  const { view } = await vegaEmbed(chart, fitted(specification, width), { renderer: "svg", actions: false });
  views.set(figure, { width, view });
  figure.dataset.drawn = "yes";
}

function table(records) {
  const columns = Object.keys(records[0]);
  const element = document.createElement("table");
  const head = element.createTHead().insertRow();
  columns.forEach((column) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.textContent = column;
    head.append(cell);
  });
  const rows = element.createTBody();
  records.forEach((record) => {
    const row = rows.insertRow();
    columns.forEach((column) => {
      const cell = row.insertCell();
      cell.textContent = record[column] ?? "";
      if (typeof record[column] === "number") cell.className = "number";
    });
  });
  return element;
}

const figures = [...document.querySelectorAll("figure")];
const watcher = new IntersectionObserver((entries) => {
  entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target));
}, { rootMargin: "600px" });
figures.forEach((figure) => {
  watcher.observe(figure);
  const details = figure.querySelector("details");
  details.addEventListener("toggle", () => {
    const place = details.querySelector("div");
    if (place.childElementCount) return;
    const specification = read(figure);
    place.append(table(specification.datasets[specification.usermeta.rows]));
  });
});

let waiting;
addEventListener("resize", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => views.forEach((_, figure) => draw(figure)), 200);
});
addEventListener("beforeprint", () => figures.forEach(draw));

// A print takes the page as it stands, and drawing takes time: so what nobody has scrolled to is drawn while idle.
const whenIdle = window.requestIdleCallback || ((work) => setTimeout(work, 50));
function drawInTurn([figure, ...others]) {
  if (figure) whenIdle(() => draw(figure).finally(() => drawInTurn(others)));
}
addEventListener("load", () => drawInTurn(figures));
