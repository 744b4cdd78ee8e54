// What is chosen, and the panel that belongs to it.

const panels = JSON.parse(document.getElementById("data").textContent);
const [part, layer, view, head] = ["part", "layer", "view", "head"].map(byId);
const isDrawn = (panel) => panel.pictures.length > 0 || panel.arrows !== null;

// Fills a chooser, and keeps what was chosen where it is still there.
function offer(select, names) {
  const before = select.value;
  select.replaceChildren(...names.map((name) => element("option", name, { value: name })));
  if (names.includes(before)) select.value = before;
  select.disabled = names.length < 2;
}

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
