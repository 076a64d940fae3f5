"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const all = (query, from = document) => [...from.querySelectorAll(query)];
const make = (tag, text, parent) => {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
};
const byId = (id) => document.getElementById(id);
const source = (text) => "data:image/png;base64," + text;

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

// Sorting: numbers by value, the rest by text; what has no value stays last.
const valueOf = (cell) => {
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = parseFloat(text);
  return { text, number: text === "" || Number.isNaN(number) ? null : number };
};
for (const table of all("table.sortable")) {
  all("thead th", table).forEach((head, place) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      const numeric = head.classList.contains("number");
      const body = table.tBodies[0];
      const rows = [...body.rows].map((row) => ({ row, key: valueOf(row.cells[place]) }));
      rows.sort((a, b) => {
        if (!numeric) return sign * a.key.text.localeCompare(b.key.text);
        if (a.key.number === null || b.key.number === null) return (a.key.number === null) - (b.key.number === null);
        return sign * (a.key.number - b.key.number);
      });
      body.append(...rows.map((one) => one.row));
    });
  });
}

const form = byId("filter");
if (form) {
  const chosen = (name) => new Set(all(`input[name=${name}]:checked`, form).map((box) => box.value));
  const apply = () => {
    const tasks = chosen("task");
    const methods = chosen("method");
    const study = form.study.value;
    const there = new Set(all(".board").filter((b) => b.dataset.study === study).map((b) => b.dataset.metric));
    for (const option of form.metric.options) option.disabled = !there.has(option.value);
    if (!there.has(form.metric.value)) form.metric.value = [...there][0];
    for (const board of all(".board")) {
      board.hidden = board.dataset.study !== study || board.dataset.metric !== form.metric.value ||
        board.dataset.selection !== form.selection.value;
      for (const row of all("tbody tr", board)) row.hidden = !methods.has(row.dataset.method);
      for (const cell of all("[data-task]", board)) cell.hidden = !tasks.has(cell.dataset.task);
    }
    thumbs(study, tasks);
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());

  // A cell's runs.
  for (const button of all("button.cell")) {
    button.addEventListener("click", () => {
      const cell = data.cells.of[button.dataset.key];
      if (!cell) return;
      const dialog = byId("runs");
      byId("runs-title").textContent = `${cell.method} on ${cell.task}`;
      const body = dialog.querySelector("tbody");
      body.replaceChildren();
      let config = "";
      for (const run of cell.runs) {
        const row = make("tr", undefined, body);
        make("td", run.setting || "–", row);
        make("td", run.passes, row).className = "number";
        const value = make("td", run.value ?? run.status, row);
        value.className = run.chosen ? "number best" : "number";
        const link = make("a", run.run, make("td", undefined, row));
        link.href = run.link;
        if (run.reason) make("div", run.reason, row.lastChild);
        if (run.chosen) config ||= data.cells.configs[run.run] ?? "";
      }
      if (!cell.runs.length) make("td", "not run", make("tr", undefined, body));
      const against = byId("pairs").querySelector("tbody");
      against.replaceChildren();
      for (const line of cell.pairs) {
        const row = make("tr", undefined, against);
        line.forEach((text, place) => { make("td", text, row).className = place ? "number" : ""; });
      }
      byId("pairs").hidden = !cell.pairs.length;
      dialog.querySelector("pre").textContent = config;
      dialog.querySelector("pre").hidden = !config;
      dialog.showModal();
    });
  }

  // Images.
  let order = [];
  let at = 0;
  const thumbs = (study, tasks) => {
    const place = byId("thumbs");
    place.replaceChildren();
    order = [];
    for (const group of data.gallery.filter((one) => one.study === study && tasks.has(one.task))) {
      make("h3", group.shown[group.task], place);
      for (const image of group.images) {
        const number = order.push({ group, image }) - 1;
        const button = make("button", undefined, place);
        button.type = "button";
        button.className = "thumb";
        const picture = make("img", undefined, button);
        picture.src = source(image.pictures.truth ?? Object.values(image.pictures)[0]);
        picture.alt = `image ${image.index}`;
        make("small", [`#${image.index}`, ...image.tags.slice(0, 2)].join(", ") + (image.tags.length > 2 ? ", …" : ""), button);
        button.addEventListener("click", () => open(number));
      }
    }
    byId("images").hidden = !order.length;
  };
  const left = byId("left");
  const right = byId("right");
  const slide = () => {
    const share = byId("slider").value;
    byId("over").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
    byId("stage").style.setProperty("--at", `${share}%`);
  };
  const show = () => {
    const pictures = order[at].image.pictures;
    byId("over").src = source(pictures[left.value]);
    byId("under").src = source(pictures[right.value]);
    byId("over").alt = left.value;
    byId("under").alt = right.value;
    slide();
  };
  const open = (number) => {
    at = (number + order.length) % order.length;
    const { group, image } = order[at];
    const names = Object.keys(image.pictures);
    byId("viewer-title").textContent = `${group.shown[group.task]}, image ${image.index}` + (image.tags.length ? ` (${image.tags.join(", ")})` : "");
    for (const [select, fallback] of [[left, names[1] ?? names[0]], [right, names[names.length - 1]]]) {
      const kept = names.includes(select.value) ? select.value : fallback;
      select.replaceChildren(...names.map((name) => {
        const option = make("option", group.shown[name] ?? name);
        option.value = name;
        return option;
      }));
      select.value = kept;
    }
    const strip = byId("strip");
    strip.replaceChildren();
    for (const name of names) {
      const button = make("button", undefined, strip);
      button.type = "button";
      make("img", undefined, button).src = source(image.pictures[name]);
      button.firstChild.alt = name;
      make("b", group.shown[name] ?? name, button);
      for (const [metric, value] of Object.entries(image.metrics[name] ?? {})) {
        make("small", `${metric} ${typeof value === "number" ? value.toPrecision(4) : value ?? "–"}`, button);
      }
      button.addEventListener("click", () => { right.value = name; show(); });
    }
    show();
    if (!byId("viewer").open) byId("viewer").showModal();
  };
  byId("slider").addEventListener("input", slide);
  left.addEventListener("change", show);
  right.addEventListener("change", show);
  byId("previous").addEventListener("click", () => open(at - 1));
  byId("next").addEventListener("click", () => open(at + 1));
  byId("viewer").addEventListener("keydown", (event) => {
    if (event.target.matches("select, input")) return;
    if (event.key === "ArrowRight") open(at + 1);
    if (event.key === "ArrowLeft") open(at - 1);
  });
  apply();
}
for (const button of all("dialog .close")) button.addEventListener("click", () => button.closest("dialog").close());
