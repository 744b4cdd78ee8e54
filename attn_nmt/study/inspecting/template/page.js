"use strict";
// Draws the panels that stand in the page as JSON. Text goes into the page by textContent alone.

const byId = (id) => document.getElementById(id);

function element(name, text = "", attributes = {}) {
  const node = document.createElement(name);
  node.textContent = text;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function svgElement(name, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.textContent = text;
  return node;
}

function table(headings, rows) {
  const node = element("table");
  const head = element("tr");
  head.append(...headings.map((name) => element("th", name, { scope: "col" })));
  node.append(element("thead"), element("tbody"));
  node.tHead.append(head);
  for (const [name, ...cells] of rows) {
    const row = element("tr");
    row.append(element("th", name, { scope: "row" }), ...cells.map((cell) => element("td", cell, { class: "number" })));
    node.tBodies[0].append(row);
  }
  return node;
}

const shorten = (text, longest = 16) =>
  text.length > longest ? text.slice(0, longest - 1) + "…" : text;
const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(2);
const percent = (number) => (100 * number).toFixed(0) + " %";

// ---- The selected panel.

const panels = JSON.parse(byId("data").textContent);
const [part, layer, view, head] = ["part", "layer", "view", "head"].map(byId);
const isDrawn = (panel) => panel.pictures.length > 0 || panel.arrows !== null;

// What only words describe is listed as well, and says so.
function label(name) {
  return panels.some((panel) => panel.part === name && isDrawn(panel)) ? name : name + " (no picture)";
}

function selectedPanel() {
  return panels.find((panel) => label(panel.part) === part.value && panel.layer === layer.value);
}

function selectedPicture() {
  return selectedPanel().pictures.find((picture) => picture.name === view.value);
}

// The table of the selected head, or the mean over heads.
function valuesOf(picture) {
  const heads = picture.values;
  if (head.value.startsWith("head ")) return heads[Number(head.value.slice(5)) - 1];
  return heads[0].map((row, r) =>
    row.map((_, c) => heads.reduce((sum, values) => sum + values[r][c], 0) / heads.length));
}

// Sets the options of a select, and keeps its value if that is still among them.
function setOptions(select, names) {
  const previous = select.value;
  select.replaceChildren(...names.map((name) => element("option", name, { value: name })));
  if (names.includes(previous)) select.value = previous;
  select.disabled = names.length < 2;
}

function updateLayers() {
  setOptions(layer, panels.filter((panel) => label(panel.part) === part.value).map((panel) => panel.layer));
  updateViews();
}

function updateViews() {
  const panel = selectedPanel();
  const taps = panel.arrows ? ["all taps", ...panel.arrows.taps.map((tap) => "tap " + tap)] : [];
  const views = [...panel.pictures.map((picture) => picture.name), ...taps];
  setOptions(view, views.length ? views : ["none"]);
  updateHeads();
}

function updateHeads() {
  const picture = selectedPicture();
  const heads = picture ? picture.values.length : 0;
  const names = Array.from({ length: heads }, (_, number) => "head " + (number + 1));
  setOptions(head, heads > 1 ? ["mean over heads", ...names] : ["none"]);
  show();
}

function show() {
  const panel = selectedPanel();
  const picture = selectedPicture();
  byId("setting").textContent = panel.title;
  byId("meaning").textContent = picture ? picture.meaning : "";
  byId("notes").replaceChildren(...panel.notes.map((note) => element("li", note)));
  byId("reading").textContent = "";
  byId("legend").replaceChildren();
  byId("scroll").replaceChildren();
  byId("numbers").replaceChildren();
  if (picture) showHeatMap(panel, picture);
  if (panel.arrows) showArrows(panel.arrows);
  if (panel.shares) byId("numbers").append(sharesTable(panel.shares));
}

function sharesTable(shares) {
  const rows = shares.parts.map((parts, number) => [
    number ? "head " + number : "all heads",
    ...parts.map((share, term) => share === null ? "uniform" : `${percent(share)} (${signed(shares.nats[number][term])} nats)`),
    shares.nats[number].reduce((sum, nats) => sum + nats, 0).toFixed(2) + " nats",
  ]);
  return table(["share of each term", ...shares.terms, "from uniform"], rows);
}

// ---- Heat maps: tables of numbers as colours, cell by cell.

const MASKED = "#d8dee4";
const MAX_LABEL_WIDTH = 116;

// From white to blue for weights; from orange over white to blue for energies.
function colour(fraction) {
  const end = fraction < 0 ? [179, 71, 0] : [8, 64, 140];
  const strength = Math.min(1, Math.abs(fraction));
  return `rgb(${end.map((channel) => Math.round(255 + strength * (channel - 255))).join(",")})`;
}

function showHeatMap(panel, picture) {
  const values = valuesOf(picture);
  const highest = Math.max(...values.map((row) => Math.max(...row.map(Math.abs)))) || 1;
  byId("legend").append(...heatMapLegend(highest, picture));
  const longest = Math.max(picture.rows.length, picture.columns.length);
  const cell = Math.max(4, Math.min(22, Math.floor(5000 / longest)));
  const font = Math.min(12, cell) + "px system-ui, sans-serif";
  const [left, top] = [picture.rows, picture.columns].map((names) => labelWidth(names, font));
  const width = left + cell * picture.columns.length;
  const height = top + cell * picture.rows.length;
  const canvas = element("canvas", "", {
    tabindex: "0", role: "img",
    "aria-label": `${picture.name}: ${picture.rows.length} rows, ${picture.columns.length} columns; ` +
      "the arrow keys move from cell to cell and read them out below",
  });
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = width * scale;
  canvas.height = height * scale;
  canvas.style.width = width + "px";
  canvas.style.height = height + "px";
  let selected = null;

  function draw() {
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.font = font;
    pen.textBaseline = "middle";
    for (const [r, row] of values.entries()) {
      for (const [c, value] of row.entries()) {
        pen.fillStyle = picture.masked[r][c] ? MASKED : colour(value / highest);
        pen.fillRect(left + c * cell, top + r * cell, cell - 1, cell - 1);
      }
    }
    if (cell >= 9) drawLabels(pen);
    if (selected) {
      pen.strokeStyle = "#cf222e";
      pen.lineWidth = 2;
      pen.strokeRect(left + selected[1] * cell, top + selected[0] * cell, cell - 1, cell - 1);
    }
  }

  function drawLabels(pen) {
    pen.fillStyle = "#1b1f24";
    pen.textAlign = "right";
    for (const [r, name] of picture.rows.entries()) {
      pen.fillText(shorten(name), left - 5, top + (r + 0.5) * cell);
    }
    pen.textAlign = "left";
    for (const [c, name] of picture.columns.entries()) {
      pen.save();
      pen.translate(left + (c + 0.5) * cell, top - 5);
      pen.rotate(-Math.PI / 2);
      pen.fillText(shorten(name), 0, 0);
      pen.restore();
    }
  }

  function select(r, c) {
    if (r < 0 || c < 0 || r >= picture.rows.length || c >= picture.columns.length) return;
    selected = [r, c];
    byId("reading").textContent = describeCell(panel, picture, r, c);
    draw();
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    select(Math.floor((event.clientY - box.top - top) / cell),
           Math.floor((event.clientX - box.left - left) / cell));
  }

  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    if (selected) select(selected[0] + step[0], selected[1] + step[1]);
    else select(0, 0);
  });
  draw();
  byId("scroll").append(canvas);
}

function heatMapLegend(highest, picture) {
  const isEnergy = picture.kind === "energy";
  const bar = element("canvas", "", { width: 120, height: 14, "aria-hidden": "true" });
  const pen = bar.getContext("2d");
  for (let x = 0; x < 120; x++) {
    pen.fillStyle = colour(isEnergy ? x / 59.5 - 1 : x / 119);
    pen.fillRect(x, 0, 1, 14);
  }
  const scale = element("span");
  const ends = isEnergy ? [signed(-highest), signed(highest) + " " + picture.unit] : ["0", highest.toPrecision(3) + " " + picture.unit];
  scale.append(element("span", ends[0]), bar, element("span", ends[1]));
  const axes = element("span", `rows: ${picture.row_axis}; columns: ${picture.column_axis}`);
  if (!picture.masked.some((row) => row.includes(1))) return [scale, axes];
  const box = element("canvas", "", { width: 14, height: 14, "aria-hidden": "true" });
  const brush = box.getContext("2d");
  brush.fillStyle = MASKED;
  brush.fillRect(0, 0, 14, 14);
  const masked = element("span");
  masked.append(box, element("span", picture.mask_means));
  return [scale, masked, axes];
}

// Pixels that the labels of rows or columns take.
function labelWidth(names, font) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = font;
  const widest = Math.max(...names.map((name) => pen.measureText(shorten(name)).width));
  return Math.min(MAX_LABEL_WIDTH, Math.ceil(widest) + 10);
}

// One cell in words, with the energies of all terms and their sum.
function describeCell(panel, picture, r, c) {
  const place = `row ${r + 1} “${picture.rows[r]}”, column ${c + 1} “${picture.columns[c]}”: `;
  if (picture.masked[r][c]) return place + picture.mask_means + ".";
  const valueOf = (other) => valuesOf(other)[r][c];
  const energies = panel.pictures.filter((other) => other.kind === "energy");
  const [weights] = panel.pictures;
  if (!energies.length) return `${place}${picture.name} ${valueOf(picture).toPrecision(3)}.`;
  const terms = energies.map((energy) => `${energy.name} ${signed(valueOf(energy))}`).join(", ");
  const sum = energies.reduce((total, energy) => total + valueOf(energy), 0);
  const isListed = picture === weights || picture.kind === "energy";
  const own = isListed ? "" : `${picture.name} ${valueOf(picture).toPrecision(3)}; `;
  return `${place}${own}weight ${valueOf(weights).toPrecision(3)}; ${terms}; sum ${signed(sum)} nats.`;
}

// ---- Arrows: where the taps of deformable convolution read.

function showArrows(arrows) {
  const onlyTap = view.value === "all taps" ? null : arrows.taps.indexOf(view.value.slice(4));
  const length = arrows.tokens.length;
  const row = 26, width = Math.max(300, Math.min(640, byId("scroll").clientWidth)), margin = 112;
  const y = (position) => (Math.max(-1, Math.min(length, position)) + 2) * row;
  const svg = svgElement("svg", {
    width, height: row * (length + 3), role: "img",
    "aria-label": "one arrow per tap from each token to where it reads; the table below says the same",
  });
  const write = (x, y, anchor, text) =>
    svg.append(svgElement("text", { x, y: y + 4, "text-anchor": anchor }, shorten(text)));
  write(margin, row * 0.5, "end", "token");
  write(width - margin, row * 0.5, "start", "reads at");
  write(width - margin, y(-1), "start", "before");
  write(width - margin, y(length), "start", "after");
  for (const [q, name] of arrows.tokens.entries()) {
    write(margin - 4, y(q), "end", name);
    write(width - margin + 4, y(q), "start", name);
  }
  for (let q = 0; q < length; q++) {
    for (let m = 0; m < arrows.taps.length; m++) {
      const to = [width - margin - 2, y(arrows.positions[q][m])];
      if (onlyTap === null || onlyTap === m) svg.append(arrow(arrows, q, m, [margin, y(q)], to));
    }
  }
  byId("scroll").append(svg);
  byId("legend").append(...arrowsLegend(arrows));
  byId("numbers").append(arrowsTable(arrows));
}

function arrow(arrows, q, m, from, to) {
  const reads = arrows.reads[q][m];
  const stroke = arrows.colours[m % arrows.colours.length];
  const group = svgElement("g", { opacity: 0.35 + 0.65 * reads, "data-token": q, "data-tap": m });
  const line = { x1: from[0], y1: from[1], x2: to[0], y2: to[1] };
  group.append(svgElement("line", { ...line, stroke, "stroke-width": 1.6, "stroke-dasharray": reads ? "none" : "2 4" }));
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  const corner = (turn) => `${to[0] - 9 * Math.cos(angle + turn)},${to[1] - 9 * Math.sin(angle + turn)}`;
  group.append(svgElement("polygon", { points: `${to[0]},${to[1]} ${corner(0.4)} ${corner(-0.4)}`, fill: reads ? stroke : "#fff", stroke }));
  // An invisible wider line is easier to hit with a finger.
  group.append(svgElement("line", { ...line, stroke: "transparent", "stroke-width": 9 }));
  for (const kind of ["pointerover", "pointerdown"]) {
    group.addEventListener(kind, () => { byId("reading").textContent = describeArrow(arrows, q, m); });
  }
  return group;
}

function arrowsLegend(arrows) {
  const entries = arrows.taps.map((tap, m) => {
    const line = svgElement("svg", { width: 26, height: 10, "aria-hidden": "true" });
    line.append(svgElement("line", { x1: 0, x2: 26, y1: 5, y2: 5, stroke: arrows.colours[m % arrows.colours.length], "stroke-width": 2 }));
    const entry = element("span");
    entry.append(line, element("span", "tap " + tap));
    return entry;
  });
  return [...entries, element("span", `dotted: ${arrows.why_zero}, reads zero; paler: reads less than a whole token`)];
}

function arrowsTable(arrows) {
  const rows = arrows.tokens.map((name, q) => [
    `${q + 1} ${name}`,
    ...arrows.taps.map((_, m) => `${signed(arrows.offsets[q][m])} → ${(arrows.positions[q][m] + 1).toFixed(2)}` +
      (arrows.reads[q][m] === 0 ? ", zero" : "")),
  ]);
  return table(["token", ...arrows.taps.map((tap) => `tap ${tap}: offset → position`)], rows);
}

// One arrow in words: where the tap reads, and how much of which token.
function describeArrow(arrows, q, m) {
  const [offset, position, reads] = ["offsets", "positions", "reads"].map((key) => arrows[key][q][m]);
  const place = `“${arrows.tokens[q]}” (${q + 1}), tap ${arrows.taps[m]}: offset ${signed(offset)}, reads at ` +
    `${(position + 1).toFixed(2)}`;
  if (reads === 0) return `${place}, ${arrows.why_zero}: zero.`;
  const read = arrows.neighbours[q][m].flatMap((k, side) => {
    const weight = arrows.shares[q][m][side];
    return weight > 0 ? [`${percent(weight)} of “${arrows.tokens[k]}” (${k + 1})`] : [];
  });
  if (reads < 0.995) read.push(`${percent(1 - reads)} is ${arrows.why_zero}, zero`);
  return `${place}: ${read.join(", ")}.`;
}

// ---- Start with the first panel that has a picture, the alignment.

setOptions(part, [...new Set(panels.map((panel) => label(panel.part)))]);
part.value = label((panels.find(isDrawn) || panels[0]).part);
part.addEventListener("change", updateLayers);
layer.addEventListener("change", updateViews);
view.addEventListener("change", updateHeads);
head.addEventListener("change", show);
byId("viewer").hidden = false;
updateLayers();
