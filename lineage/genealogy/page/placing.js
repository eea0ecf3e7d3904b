// Where the rows stand that are not hidden: a card for each family, cards in columns.
const [ROW, INDENT, PAD, GAP, CORNER, RADIUS] = [25, 34, 14, 22, 10, 5];
const FONT = getComputedStyle(document.body).fontFamily;
const letters = document.createElement("canvas").getContext("2d");
const PART = 60; // rows of a card, and half as many again until a branch begins
let [columnOf, aim] = [[], 0];

function widthOf(text, size, weight = 400) {
  letters.font = `${weight} ${size}px ${FONT}`;
  return letters.measureText(text).width;
}

function shortened(text) {
  const most = innerWidth < 500 ? 30 : 46;
  return text.length <= most ? text : `${text.slice(0, most / 2 - 1)}…${text.slice(1 - most / 2)}`;
}

// The texts of a row: class, text, size and weight.
function wordsOf(row, place) {
  const node = row.node === null ? null : nodes[row.node];
  const words = row.kind === "family" ? [["name", shortened(row.label), 14, 700]] : [["name", shortened(row.label), 13, 400]];
  if (row.kind === "family") words.push(["note", `${row.folder && `${shortened(row.folder)} · `}${row.count === 1 ? "1 model" : `${row.count} models`}`, 11, 400]);
  if (node && node.note) words.push(["note", node.note, 11, 400]);
  if (node && node.copied) words.push(["note", `+ ${node.copied}`, 11, 400]);
  if (node && node.contradicted) words.push(["alarm", "claim contradicted", 11, 600]);
  if (closed[place] && canClose(row) && row.kind === "model") words.push(["badge", `+${row.count}`, 11, 600]);
  return placedWords(words, row.kind === "family" ? 10 : 12);
}

function placedWords(words, start) {
  let end = start;
  return words.map(([kind, text, size, weight]) => {
    const from = end;
    end += widthOf(text, size, weight) + 8;
    return { kind, text, start: from, end };
  });
}

// The row that a line is seen to come from: the source, or what it is folded into.
function shownSource(row, hidden) {
  let source = row.source;
  while (source !== null && hidden[source]) source = rows[source].under;
  return source;
}

// The rows that are not hidden, by family; a long family goes on in further parts, if it can, where a branch begins.
function partsOf(hidden) {
  const parts = [];
  rows.forEach((row, place) => {
    if (hidden[place]) return;
    const length = parts.at(-1)?.places.length ?? 0;
    if (row.kind === "family") parts.push({ family: row, places: [] });
    else if (length >= 1.5 * PART || (length >= PART && row.depth <= 1)) parts.push({ family: parts.at(-1).family, places: [], goesOn: true });
    parts.at(-1).places.push(place);
  });
  return parts;
}

// A part on a card, with places inside it; above what goes on, the models of earlier parts that its lines come from.
function blockOf({ family, places, goesOn }, hidden) {
  const block = { places, at: new Map(), ghosts: new Map(), heading: null, arcs: [], width: 0, height: 2 * PAD };
  const stand = (row, words) => {
    const x = PAD + (row.kind === "family" ? 4 : 10 + row.depth * INDENT);
    const found = { x, y: block.height - PAD + ROW / 2, words, end: x + words.at(-1).end, block };
    block.height += ROW;
    block.width = Math.max(block.width, found.end);
    return found;
  };
  if (goesOn) {
    const inside = new Set(places);
    const sources = new Set(places.map((place) => shownSource(rows[place], hidden)));
    block.heading = stand(family, placedWords([["note", `${shortened(family.label)} goes on`, 11, 400]], 0));
    for (const place of [...sources].filter((source) => source !== null && !inside.has(source)).sort((a, b) => a - b)) {
      block.ghosts.set(place, stand(rows[place], placedWords([["name", shortened(rows[place].label), 13, 400]], 12)));
    }
  }
  for (const place of places) block.at.set(place, stand(rows[place], wordsOf(rows[place], place)));
  addArcs(block);
  block.width += PAD;
  return block;
}

function blocksOf(hidden) {
  return partsOf(hidden).map((part) => blockOf(part, hidden));
}

// Lines to a merge from its further parents run beside the names, each in a lane of its own where they overlap.
function addArcs(block) {
  for (const place of block.places) {
    const node = rows[place].node;
    for (const edge of node === null ? [] : nodes[node].above.slice(1)) {
      const from = rowOf.get(edges[edge].parent);
      if (!block.at.has(from)) continue;
      const [first, last] = [Math.min(from, place), Math.max(from, place)];
      const passed = block.places.filter((each) => first <= each && each <= last);
      const lane = block.arcs.filter((arc) => arc.first <= last && first <= arc.last).length;
      const x = Math.max(...passed.map((each) => block.at.get(each).end)) + 8 + 9 * lane;
      block.arcs.push({ edge, from, place, first, last, x });
      block.width = Math.max(block.width, x + 4);
    }
  }
}

// Cards in columns, each under the shortest unless its column is given.
function packed(blocks, count, given = []) {
  const heights = Array(count).fill(0);
  const widths = Array(count).fill(0);
  blocks.forEach((block, family) => {
    block.column = given[family] ?? heights.indexOf(Math.min(...heights));
    block.y = heights[block.column];
    heights[block.column] += block.height + GAP;
    widths[block.column] = Math.max(widths[block.column], block.width);
  });
  const starts = [0];
  for (const width of widths) starts.push(starts.at(-1) + width + GAP);
  for (const block of blocks) [block.x, block.width] = [starts[block.column], widths[block.column]];
  return { width: starts.at(-1) - GAP, height: Math.max(...heights) - GAP, widths };
}

// As many columns as let the whole be seen largest. Where that is too small, as many as fit in the width at a size that
// can be read, if the reader wants that. A family stays in its column when rows open and close.
function chooseColumns({ width, height }, legible) {
  aim = legible;
  const blocks = blocksOf(hiddenRows());
  const tried = [];
  for (let count = 1; count <= Math.min(12, blocks.length); count += 1) {
    const copies = blocks.map((block) => ({ ...block }));
    const size = packed(copies, count);
    const across = (width - 2 * MARGIN) / size.width;
    tried.push({ columns: copies.map((block) => block.column), across, whole: Math.min(across, (height - 2 * MARGIN) / size.height) });
  }
  const largest = tried.reduce((best, each) => (each.whole > best.whole * 1.05 ? each : best));
  const readable = tried.filter(({ across }) => across >= legible).at(-1) ?? tried[0];
  columnOf = (largest.whole < legible ? readable : largest).columns;
}

// Every row that is not hidden by its place among `rows`: where it stands on the whole drawing.
function placed() {
  const hidden = hiddenRows();
  const blocks = blocksOf(hidden);
  if (columnOf.length !== blocks.length) chooseColumns(room(), aim);
  const size = packed(blocks, Math.max(...columnOf) + 1, columnOf);
  const at = new Map();
  for (const block of blocks) {
    const moved = (found) => Object.assign(found, { x: block.x + found.x, y: block.y + found.y, end: block.x + found.end });
    for (const [place, found] of block.at) at.set(place, moved(found));
    for (const found of block.ghosts.values()) moved(found);
    if (block.heading) moved(block.heading);
    for (const arc of block.arcs) arc.x += block.x;
  }
  return { ...size, hidden, blocks, at };
}
