"use strict";
// Draws the panels that stand in the page as JSON. Text goes into the page by textContent alone.

const byId = (id) => document.getElementById(id);

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

const shorten = (text, longest = 16) =>
  text.length > longest ? text.slice(0, longest - 1) + "…" : text;
const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(2);
