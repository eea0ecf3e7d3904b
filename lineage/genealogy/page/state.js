// What is drawn, and which rows are closed, hit by the search, chosen and in focus.
const { rows, nodes, edges } = JSON.parse(document.getElementById("tree").textContent);
const closed = rows.map((row) => row.is_closed);
const rowOf = new Map(rows.flatMap((row, place) => (row.node === null ? [] : [[row.node, place]])));
const state = { chosen: null, focused: 0, hits: [], hit: -1 };

function hiddenRows() {
  const hidden = [];
  for (const row of rows) hidden.push(row.under !== null && (hidden[row.under] || closed[row.under]));
  return hidden;
}

function reveal(place) {
  for (let above = rows[place].under; above !== null; above = rows[above].under) closed[above] = false;
}

// The row itself, or the topmost closed one that hides it.
function shownFor(place) {
  let found = place;
  for (let above = rows[place].under; above !== null; above = rows[above].under) if (closed[above]) found = above;
  return found;
}

function canClose(row) {
  return row.count > 0;
}

// The rows from a model up to the oldest of its family.
function lineageOf(place) {
  const found = [];
  for (let above = place; above !== null; above = rows[above].source) found.push(above);
  return found;
}

function nameOf(row) {
  return row.node === null ? row.label : nodes[row.node].id;
}
