"use strict";
// Draws the panels that stand in the page as JSON. Text goes into the page by textContent alone.

const panels = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const [part, layer, view, head] = ["part", "layer", "view", "head"].map(byId);
const TAP_COLOURS = ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#57606a", "#9a6700"];
const MASKED = "#d8dee4";
const LONGEST_LABEL = 116;

function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function drawing(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// Fills a chooser, and keeps what was chosen where it is still there.
function offer(select, names) {
  const before = select.value;
  select.replaceChildren(...names.map((name) => element("option", name, { value: name })));
  if (names.includes(before)) select.value = before;
  select.disabled = names.length < 2;
}

const shorten = (text, longest = 16) =>
  text.length > longest ? text.slice(0, longest - 1) + "…" : text;
const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(2);
const isDrawn = (panel) => panel.pictures.length > 0 || panel.arrows !== null;

function currentPanel() {
  return panels.find((panel) => label(panel.part) === part.value && panel.layer === layer.value);
}

// A sublayer that no layer has is offered as well, and says so.
function label(name) {
  const all = panels.filter((panel) => panel.part === name);
  return all.some(isDrawn) ? name : name + " (no picture)";
}

function chooseLayers() {
  offer(layer, panels.filter((panel) => label(panel.part) === part.value).map((p) => p.layer));
  chooseViews();
}

function chooseViews() {
  const panel = currentPanel();
  const taps = panel.arrows ? ["all taps", ...panel.arrows.taps.map((tap) => "tap " + tap)] : [];
  const views = [...panel.pictures.map((picture) => picture.name), ...taps];
  offer(view, views.length ? views : ["none"]);
  chooseHeads();
}

function chooseHeads() {
  const picture = currentPicture();
  const heads = picture ? picture.values.length : 0;
  const names = Array.from({ length: heads }, (_, number) => "head " + (number + 1));
  offer(head, heads > 1 ? ["mean over heads", ...names] : ["none"]);
  show();
}

function currentPicture() {
  return currentPanel().pictures.find((picture) => picture.name === view.value);
}

// The table of one head, or of the mean over heads.
function valuesOf(picture) {
  const heads = picture.values;
  if (head.value.startsWith("head ")) return heads[Number(head.value.slice(5)) - 1];
  return heads[0].map((row, r) =>
    row.map((_, n) => heads.reduce((sum, one) => sum + one[r][n], 0) / heads.length));
}

function show() {
  const panel = currentPanel();
  const picture = currentPicture();
  byId("setting").textContent = panel.title;
  byId("meaning").textContent = picture ? picture.meaning : "";
  byId("notes").replaceChildren(...panel.notes.map((note) => element("li", note)));
  byId("reading").textContent = "";
  byId("legend").replaceChildren();
  byId("scroll").replaceChildren();
  byId("numbers").replaceChildren();
  if (picture) showTable(panel, picture);
  if (panel.arrows) showArrows(panel.arrows);
  if (panel.shares) byId("numbers").append(sharesTable(panel.shares));
}

// From white to blue for weights; from orange over white to blue for energies.
function colour(share) {
  const end = share < 0 ? [179, 71, 0] : [8, 64, 140];
  const much = Math.min(1, Math.abs(share));
  return `rgb(${end.map((channel) => Math.round(255 + much * (channel - 255))).join(",")})`;
}

function legend(highest, isEnergy, picture) {
  const bar = element("canvas", "", { width: 120, height: 14, "aria-hidden": "true" });
  const pen = bar.getContext("2d");
  for (let x = 0; x < 120; x++) {
    pen.fillStyle = colour(isEnergy ? x / 59.5 - 1 : x / 119);
    pen.fillRect(x, 0, 1, 14);
  }
  const scale = element("span");
  const ends = isEnergy ? [signed(-highest), signed(highest) + " nats"] : ["0", highest.toPrecision(3)];
  scale.append(element("span", ends[0]), bar, element("span", ends[1]));
  byId("legend").append(scale);
  if (picture.masked.some((row) => row.includes(1))) {
    const box = element("canvas", "", { width: 14, height: 14, "aria-hidden": "true" });
    const brush = box.getContext("2d");
    brush.fillStyle = MASKED;
    brush.fillRect(0, 0, 14, 14);
    const masked = element("span");
    masked.append(box, element("span", picture.mask_means));
    byId("legend").append(masked);
  }
}

// Pixels that the names of rows or columns take.
function room(names, font) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = font;
  const widest = Math.max(...names.map((name) => pen.measureText(shorten(name)).width));
  return Math.min(LONGEST_LABEL, Math.ceil(widest) + 10);
}

function showTable(panel, picture) {
  const values = valuesOf(picture);
  const isEnergy = picture.kind === "energy";
  const highest = Math.max(...values.map((row) => Math.max(...row.map(Math.abs)))) || 1;
  legend(highest, isEnergy, picture);
  const longest = Math.max(picture.rows.length, picture.columns.length);
  const cell = Math.max(4, Math.min(22, Math.floor(5000 / longest)));
  const font = Math.min(12, cell) + "px system-ui, sans-serif";
  const [left, top] = [picture.rows, picture.columns].map((names) => room(names, font));
  const width = left + cell * picture.columns.length;
  const height = top + cell * picture.rows.length;
  const canvas = element("canvas", "", {
    tabindex: "0", role: "img",
    "aria-label": `${picture.name}: ${picture.rows.length} rows, ${picture.columns.length} columns; ` +
      "the arrow keys move from cell to cell and read them out below",
  });
  const fine = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = width * fine;
  canvas.height = height * fine;
  canvas.style.width = width + "px";
  canvas.style.height = height + "px";
  let chosen = null;

  function draw() {
    const pen = canvas.getContext("2d");
    pen.setTransform(fine, 0, 0, fine, 0, 0);
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, width, height);
    pen.font = font;
    pen.textBaseline = "middle";
    for (const [r, row] of values.entries()) {
      for (const [n, value] of row.entries()) {
        pen.fillStyle = picture.masked[r][n] ? MASKED : colour(value / highest);
        pen.fillRect(left + n * cell, top + r * cell, cell - 1, cell - 1);
      }
    }
    if (cell >= 9) drawLabels(pen);
    if (chosen) {
      pen.strokeStyle = "#cf222e";
      pen.lineWidth = 2;
      pen.strokeRect(left + chosen[1] * cell, top + chosen[0] * cell, cell - 1, cell - 1);
    }
  }

  function drawLabels(pen) {
    pen.fillStyle = "#1b1f24";
    pen.textAlign = "right";
    for (const [r, name] of picture.rows.entries()) {
      pen.fillText(shorten(name), left - 5, top + (r + 0.5) * cell);
    }
    pen.textAlign = "left";
    for (const [n, name] of picture.columns.entries()) {
      pen.save();
      pen.translate(left + (n + 0.5) * cell, top - 5);
      pen.rotate(-Math.PI / 2);
      pen.fillText(shorten(name), 0, 0);
      pen.restore();
    }
  }

  function choose(r, n) {
    if (r < 0 || n < 0 || r >= picture.rows.length || n >= picture.columns.length) return;
    chosen = [r, n];
    byId("reading").textContent = reading(panel, picture, r, n);
    draw();
  }

  function point(event) {
    const box = canvas.getBoundingClientRect();
    choose(Math.floor((event.clientY - box.top - top) / cell),
           Math.floor((event.clientX - box.left - left) / cell));
  }

  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [r, n] = chosen || [0, 0];
    choose(...(chosen ? [r + step[0], n + step[1]] : [0, 0]));
  });
  draw();
  byId("scroll").append(canvas);
}

// What one cell says, with the energies of all terms and their sum.
function reading(panel, picture, r, n) {
  const place = `row ${r + 1} “${picture.rows[r]}”, column ${n + 1} “${picture.columns[n]}”: `;
  if (picture.masked[r][n]) return place + picture.mask_means + ".";
  const value = valuesOf(picture)[r][n];
  const energies = panel.pictures.filter((one) => one.kind === "energy");
  const own = picture.kind === "energy" ? signed(value) + " nats" : value.toPrecision(3);
  if (!energies.length) return `${place}${picture.name} ${own}.`;
  const each = energies.map((one) => [one.name, valuesOf(one)[r][n]]);
  const sum = each.reduce((total, [, energy]) => total + energy, 0);
  const weight = valuesOf(panel.pictures[0])[r][n];
  const told = each.map(([name, energy]) => `${name} ${signed(energy)}`).join(", ");
  const first = picture === panel.pictures[0] || picture.kind === "energy" ? "" : `${picture.name} ${own}; `;
  return `${place}${first}weight ${weight.toPrecision(3)}; ${told}; sum ${signed(sum)} nats.`;
}

// How much of a token the tap reads, in words.
function arrowReading(arrows, q, m) {
  const [offset, position, reads] = ["offsets", "positions", "reads"].map((key) => arrows[key][q][m]);
  const where = `“${arrows.tokens[q]}” (${q + 1}), tap ${arrows.taps[m]}: offset ${signed(offset)}, reads at ` +
    `${(position + 1).toFixed(2)}`;
  if (reads === 0) return `${where}, ${arrows.why_zero}: zero.`;
  const percent = (share) => (100 * share).toFixed(0) + " %";
  const parts = arrows.neighbours[q][m].flatMap((k, side) => {
    const share = arrows.shares[q][m][side];
    return share > 0 ? [`${percent(share)} of “${arrows.tokens[k]}” (${k + 1})`] : [];
  });
  if (reads < 0.995) parts.push(`${percent(1 - reads)} is ${arrows.why_zero}, zero`);
  return `${where}: ${parts.join(", ")}.`;
}

function showArrows(arrows) {
  const only = view.value === "all taps" ? null : arrows.taps.indexOf(view.value.slice(4));
  const length = arrows.tokens.length;
  const row = 26, width = Math.max(300, Math.min(640, byId("scroll").clientWidth)), side = 112;
  const y = (position) => (Math.max(-1, Math.min(length, position)) + 2) * row;
  const svg = drawing("svg", {
    width, height: row * (length + 3), role: "img",
    "aria-label": "an arrow a tap from each token to where it reads; the table below says the same",
  });
  const text = (x, at, anchor, said) =>
    svg.append(drawing("text", { x, y: at + 4, "text-anchor": anchor }, shorten(said)));
  text(side, row * 0.5, "end", "token");
  text(width - side, row * 0.5, "start", "reads at");
  text(width - side, y(-1), "start", "before");
  text(width - side, y(length), "start", "after");
  for (const [q, name] of arrows.tokens.entries()) {
    text(side - 4, y(q), "end", name);
    text(width - side + 4, y(q), "start", name);
  }
  for (let q = 0; q < length; q++) {
    for (let m = 0; m < arrows.taps.length; m++) {
      if (only === null || only === m) svg.append(arrow(arrows, q, m, [side, y(q)], [width - side - 2, y(arrows.positions[q][m])]));
    }
  }
  byId("scroll").append(svg);
  for (const [m, tap] of arrows.taps.entries()) {
    const key = drawing("svg", { width: 26, height: 10, "aria-hidden": "true" });
    key.append(drawing("line", { x1: 0, x2: 26, y1: 5, y2: 5, stroke: TAP_COLOURS[m % TAP_COLOURS.length], "stroke-width": 2 }));
    const named = element("span");
    named.append(key, element("span", "tap " + tap));
    byId("legend").append(named);
  }
  byId("legend").append(element("span", `dotted: ${arrows.why_zero}, reads zero; paler: reads less than a token`));
  byId("numbers").append(arrowsTable(arrows));
}

function arrow(arrows, q, m, from, to) {
  const reads = arrows.reads[q][m];
  const stroke = TAP_COLOURS[m % TAP_COLOURS.length];
  const group = drawing("g", { opacity: 0.35 + 0.65 * reads, "data-token": q, "data-tap": m });
  const line = { x1: from[0], y1: from[1], x2: to[0], y2: to[1] };
  group.append(drawing("line", { ...line, stroke, "stroke-width": 1.6, "stroke-dasharray": reads ? "none" : "2 4" }));
  const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
  const corner = (turn) => `${to[0] - 9 * Math.cos(angle + turn)},${to[1] - 9 * Math.sin(angle + turn)}`;
  group.append(drawing("polygon", { points: `${to[0]},${to[1]} ${corner(0.4)} ${corner(-0.4)}`, fill: reads ? stroke : "#fff", stroke }));
  // Wider than what is seen, so that a finger finds it.
  group.append(drawing("line", { ...line, stroke: "transparent", "stroke-width": 9 }));
  for (const kind of ["pointerover", "pointerdown"]) {
    group.addEventListener(kind, () => { byId("reading").textContent = arrowReading(arrows, q, m); });
  }
  return group;
}

function table(heads, rows) {
  const made = element("table");
  const top = element("tr");
  top.append(...heads.map((name) => element("th", name, { scope: "col" })));
  made.append(element("thead"), element("tbody"));
  made.tHead.append(top);
  for (const [name, ...cells] of rows) {
    const line = element("tr");
    line.append(element("th", name, { scope: "row" }), ...cells.map((cell) => element("td", cell, { class: "number" })));
    made.tBodies[0].append(line);
  }
  return made;
}

function arrowsTable(arrows) {
  const rows = arrows.tokens.map((name, q) => [
    `${q + 1} ${name}`,
    ...arrows.taps.map((_, m) => `${signed(arrows.offsets[q][m])} → ${(arrows.positions[q][m] + 1).toFixed(2)}` +
      (arrows.reads[q][m] === 0 ? ", zero" : "")),
  ]);
  return table(["token", ...arrows.taps.map((tap) => `tap ${tap}: offset → place`)], rows);
}

function sharesTable(shares) {
  const rows = shares.parts.map((parts, number) => [
    number ? "head " + number : "all heads",
    ...parts.map((one, term) => one === null ? "uniform" : `${(100 * one).toFixed(0)} % (${signed(shares.nats[number][term])} nats)`),
    shares.nats[number].reduce((sum, nats) => sum + nats, 0).toFixed(2) + " nats",
  ]);
  return table(["part of each term", ...shares.terms, "from uniform"], rows);
}

offer(part, [...new Set(panels.map((panel) => label(panel.part)))]);
part.value = label((panels.find(isDrawn) || panels[0]).part);
part.addEventListener("change", chooseLayers);
layer.addEventListener("change", chooseViews);
view.addEventListener("change", chooseHeads);
head.addEventListener("change", show);
byId("viewer").hidden = false;
chooseLayers();
