// Where the taps of deformable convolution read.

const TAP_COLOURS = ["#0969da", "#bc4c00", "#1a7f37", "#8250df", "#bf3989", "#57606a", "#9a6700"];

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

function arrowsTable(arrows) {
  const rows = arrows.tokens.map((name, q) => [
    `${q + 1} ${name}`,
    ...arrows.taps.map((_, m) => `${signed(arrows.offsets[q][m])} → ${(arrows.positions[q][m] + 1).toFixed(2)}` +
      (arrows.reads[q][m] === 0 ? ", zero" : "")),
  ]);
  return table(["token", ...arrows.taps.map((tap) => `tap ${tap}: offset → place`)], rows);
}
