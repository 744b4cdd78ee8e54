// Tables of numbers as colours, cell by cell.

const MASKED = "#d8dee4";
const LONGEST_LABEL = 116;

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
