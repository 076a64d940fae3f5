"use strict";
// What the page shows stands in the address (#metric=ssim&cell=half.ddrm), so that a finding can be sent. Controls
// change the state, and every part of the page is drawn from it. Only the
// theme, the zoom and the divider are not in it.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const all = (query, from = document) => [...from.querySelectorAll(query)];
const make = (tag, text, parent) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
};
const press = (parent, does, label) => {
  const button = make("button", undefined, parent);
  button.type = "button";
  if (label) button.setAttribute("aria-label", label);
  button.addEventListener("click", does);
  return button;
};
const source = (text) => "data:image/png;base64," + text;

const LISTS = ["task-off", "method-off"];
const state = {};
const views = [];

const read = () => {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const key of Object.keys(state)) delete state[key];
  Object.assign(state, Object.fromEntries(given));
  for (const key of LISTS) state[key] = given.getAll(key);
};
const show = () => {
  for (const view of views) view();
};
const change = (changes) => {
  Object.assign(state, changes);
  const address = new URLSearchParams();
  for (const [key, value] of Object.entries(state)) {
    for (const one of [value].flat()) if (one) address.append(key, one);
  }
  history.replaceState(null, "", `#${address}`);
  show();
};
addEventListener("hashchange", () => {
  read();
  show();
});

// The state as numbers and pictures need it.
const hidden = (kind, name) => state[`${kind}-off`].includes(name);
const board = () => all(".board").find((one) => !one.hidden);
// Methods in the order of the table that is shown, those left out by the filter aside.
const rows = () => all("tbody tr", board());
const rowOf = (method) => rows().find((row) => row.dataset.method === method);
const methods = () => rows().map((row) => row.dataset.method).filter((name) => !hidden("method", name));
const nameOf = (method) => rowOf(method)?.querySelector(".name").textContent ?? method;
const markOf = (method) => rowOf(method)?.querySelector(".mark").cloneNode(true) ?? "";
const colourOf = (method) => `var(--${rowOf(method)?.querySelector(".mark").classList[1]})`;
