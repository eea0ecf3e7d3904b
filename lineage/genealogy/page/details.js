// What is known of a model and of an edge: beside the drawing, and beside the pointer.
const [panel, tip] = ["chosen", "tip"].map((id) => document.getElementById(id));
const MANY = 30;
const below = new Map();
edges.forEach((edge) => below.set(edge.parent, [...(below.get(edge.parent) ?? []), edge.child]));

function html(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function link(node) {
  const button = html("button", { type: "button", className: "link", textContent: nodes[node].id });
  button.dataset.row = rowOf.get(node);
  return button;
}

function list(items) {
  return html("ul", {}, ...items.map((item) => html("li", {}, ...[item].flat())));
}

function facts(pairs) {
  const given = pairs.filter(([, value]) => value);
  return html("dl", {}, ...given.flatMap(([term, value]) => [html("dt", { textContent: term }), html("dd", {}, value)]));
}

function evidence(edge) {
  const [said, ...why] = edges[edge].said;
  return [html("b", { textContent: said }), ...why.map((fact) => html("span", { textContent: fact }))];
}

function heading(text) {
  return html("h3", { textContent: text });
}

function describe(place) {
  const row = rows[place];
  const close = html("button", { type: "button", className: "close", textContent: "×", ariaLabel: "Close" });
  close.addEventListener("click", () => choose(null));
  panel.hidden = false;
  panel.replaceChildren(close, html("h2", { textContent: nameOf(row) }), ...(row.node === null ? [] : ofModel(row.node, place)));
  panel.parentElement.scrollTop = 0;
}

function ofModel(node, place) {
  const { file, hash, family, copies, above, claims, recipe } = nodes[node];
  const children = below.get(node) ?? [];
  const lineage = lineageOf(place).filter((each) => rows[each].node !== null).reverse();
  const shown = children.slice(0, MANY).map(link);
  if (children.length > MANY) shown.push(`and ${children.length - MANY} more`);
  return [
    facts([["family", family], ["file", file], ["hash", hash && html("code", { textContent: hash.slice(0, 16), title: hash })], ["copies", copies.join(", ")]]),
    ...(above.length ? [heading("Evidence"), list([...above.map(evidence), ...(recipe ? [recipe] : [])])] : []),
    ...(claims.length ? [heading("Claim"), list(claims)] : []),
    ...(lineage.length > 1 ? [heading("Lineage"), html("p", {}, ...lineage.flatMap((each, step) => [step ? " → " : "", link(rows[each].node)]))] : []),
    ...(children.length ? [heading("Below it"), list(shown)] : []),
  ];
}

function showTip(event, lines) {
  tip.replaceChildren(...lines);
  tip.hidden = false;
  const [box, own] = [stage.getBoundingClientRect(), tip.getBoundingClientRect()];
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  tip.style.left = `${Math.max(6, Math.min(x + 14, box.width - own.width - 6))}px`;
  tip.style.top = `${y + 18 + own.height < box.height ? y + 18 : Math.max(6, y - own.height - 12)}px`;
}

function tipOf(target) {
  const edge = target.closest("[data-edge]");
  if (edge) return evidence(Number(edge.dataset.edge));
  const row = rows[target.closest(".row")?.dataset.place];
  if (!row || row.node === null) return null;
  const { id, above, claims, recipe } = nodes[row.node];
  const lines = above.length ? above.flatMap(evidence) : [html("b", { textContent: id })];
  return [...lines, ...[recipe, ...claims].filter(Boolean).map((claim) => html("span", { textContent: claim }))];
}

stage.addEventListener("pointermove", (event) => {
  const lines = event.pointerType === "touch" || pointers.size ? null : tipOf(event.target);
  if (lines) showTip(event, lines);
  else tip.hidden = true;
});
stage.addEventListener("pointerleave", () => { tip.hidden = true; });
