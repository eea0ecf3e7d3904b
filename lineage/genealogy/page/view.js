// Zoom and pan.
const [stage, world] = ["stage", "world"].map((id) => document.getElementById(id));
const view = { x: 0, y: 0, scale: 1 };
const [SMALLEST, LARGEST, MARGIN, LEGIBLE] = [0.04, 4, 18, 0.85];

function room() {
  const { width, height } = stage.getBoundingClientRect();
  return { width: Math.max(width, 1), height: Math.max(height, 1) };
}

// A part of the drawing stays in sight.
function show(glides = false) {
  const { width, height } = room();
  const within = (value, size, all) => Math.min(Math.max(value, Math.min(80, size / 4) - all * view.scale), size - Math.min(80, size / 4));
  [view.x, view.y] = [within(view.x, width, drawing.width), within(view.y, height, drawing.height)];
  world.classList.toggle("gliding", glides);
  world.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
}

function zoomAt(x, y, factor) {
  const scale = Math.min(Math.max(view.scale * factor, SMALLEST), LARGEST);
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
}

function zoomBy(factor) {
  const { width, height } = room();
  zoomAt(width / 2, height / 2, factor);
  show(true);
}

function fit(glides = true) {
  const { width, height } = room();
  view.scale = Math.max(SMALLEST, Math.min((width - 2 * MARGIN) / drawing.width, (height - 2 * MARGIN) / drawing.height, 1.3));
  view.x = Math.max(MARGIN, (width - drawing.width * view.scale) / 2);
  view.y = Math.max(MARGIN, (height - drawing.height * view.scale) / 3);
  show(glides);
}

// All of it where that can be read, else its upper part at a size that can.
function firstView() {
  fit(false);
  if (view.scale >= LEGIBLE) return;
  const { width } = room();
  view.scale = Math.min(Math.max((width - 2 * MARGIN) / drawing.width, LEGIBLE), 1);
  view.x = Math.max(MARGIN, (width - drawing.width * view.scale) / 2);
  view.y = MARGIN;
  show();
}

function centre(place) {
  const [{ width, height }, to] = [room(), drawing.at.get(place)];
  view.scale = Math.max(view.scale, LEGIBLE);
  const [x, y] = [view.x + to.x * view.scale, view.y + to.y * view.scale];
  const isInSight = x > 20 && view.x + to.end * view.scale < width && y > 20 && y < height - 20;
  if (isInSight) return show(true);
  view.x = Math.min(width / 2 - ((to.x + to.end) / 2) * view.scale, width - MARGIN);
  view.x = Math.max(view.x, 24 - to.x * view.scale);
  view.y = height / 2 - to.y * view.scale;
  return show(true);
}

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 18 : 1;
  if (event.ctrlKey || event.metaKey) {
    const box = stage.getBoundingClientRect();
    zoomAt(event.clientX - box.left, event.clientY - box.top, Math.exp(-event.deltaY * unit * 0.008));
  } else {
    view.x -= event.deltaX * unit;
    view.y -= event.deltaY * unit;
  }
  show();
}, { passive: false });

const pointers = new Map();
let moved = 0;

stage.addEventListener("pointerdown", (event) => {
  if (pointers.size === 0) moved = 0;
  pointers.set(event.pointerId, event);
});

stage.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
  const another = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
  moved = Math.max(moved, Math.abs(dx) + Math.abs(dy));
  if (moved < 5) return;
  if (!stage.hasPointerCapture(event.pointerId)) stage.setPointerCapture(event.pointerId);
  stage.classList.add("dragged");
  pointers.set(event.pointerId, event);
  if (another) {
    const apart = (point) => Math.hypot(point.clientX - another.clientX, point.clientY - another.clientY);
    const box = stage.getBoundingClientRect();
    zoomAt((event.clientX + another.clientX) / 2 - box.left, (event.clientY + another.clientY) / 2 - box.top, apart(event) / Math.max(apart(before), 1));
    [view.x, view.y] = [view.x + dx / 2, view.y + dy / 2];
  } else {
    [view.x, view.y] = [view.x + dx, view.y + dy];
  }
  show();
});

for (const ending of ["pointerup", "pointercancel"]) {
  addEventListener(ending, (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size === 0) stage.classList.remove("dragged");
  });
}
