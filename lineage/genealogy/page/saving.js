// The drawing as it is opened and closed now, as a file: SVG, PNG, and PDF by way of the browser's printing.
const LOOKS = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-family", "font-size", "font-weight", "font-style", "dominant-baseline"];
const [MOST_PIXELS, LONGEST_PNG, LONGEST_PDF] = [1e8, 16000, 14000];

// A copy with its own looks, which needs no style sheet; what is for the pointer alone is left out.
function picture() {
  const copy = world.cloneNode(true);
  copy.removeAttribute("style");
  const [originals, copies] = [world, copy].map((group) => [...group.querySelectorAll("*")]);
  originals.forEach((original, place) => {
    const style = getComputedStyle(original);
    for (const look of LOOKS) copies[place].setAttribute(look, style.getPropertyValue(look));
    for (const name of ["class", "tabindex", "role", "data-place", "data-edge"]) copies[place].removeAttribute(name);
  });
  originals.forEach((original, place) => { if (original.matches(".reach, .behind, .whole")) copies[place].remove(); });
  const [width, height] = [drawing.width + 2 * MARGIN, drawing.height + 2 * MARGIN].map(Math.ceil);
  const paper = svg("rect", { width: "100%", height: "100%", fill: getComputedStyle(document.body).backgroundColor });
  const whole = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` });
  copy.setAttribute("transform", `translate(${MARGIN} ${MARGIN})`);
  whole.append(svg("title", {}, document.title), paper, copy);
  return { whole, width, height };
}

function asFile() {
  const { whole, ...size } = picture();
  return { file: new Blob([new XMLSerializer().serializeToString(whole)], { type: "image/svg+xml" }), ...size };
}

function download(file, ending) {
  const address = URL.createObjectURL(file);
  html("a", { href: address, download: `tree.${ending}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

async function asPng() {
  const { file, width, height } = asFile();
  const scale = Math.min(2, LONGEST_PNG / width, LONGEST_PNG / height, Math.sqrt(MOST_PIXELS / (width * height)));
  const address = URL.createObjectURL(file);
  const image = Object.assign(new Image(), { src: address });
  await image.decode();
  const canvas = html("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(address);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}

// One sheet of the drawing's size; the browser prints it as a PDF.
function layOutForPrint() {
  const { whole, width, height } = picture();
  const scale = Math.min(1, LONGEST_PDF / Math.max(width, height));
  const [w, h] = [Math.ceil(width * scale), Math.ceil(height * scale)];
  whole.setAttribute("width", w);
  whole.setAttribute("height", h);
  const sheet = html("style", { textContent: `@page { size: ${w}px ${h + 1}px; margin: 0; }` });
  document.getElementById("print").replaceChildren(sheet, whole);
}

const save = {
  svg: () => download(asFile().file, "svg"),
  png: async () => download(await asPng(), "png"),
  pdf: () => print(),
};
addEventListener("beforeprint", layOutForPrint);
addEventListener("afterprint", () => document.getElementById("print").replaceChildren());
for (const button of document.querySelectorAll("[data-save]")) {
  button.addEventListener("click", () => {
    button.closest("details").open = false;
    save[button.dataset.save]();
  });
}
