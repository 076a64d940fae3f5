"use strict";
// Filters and sorting. A choice that a study does not have falls back to its first one.
const form = byId("filter");

const pick = (select, value, able) => {
  for (const option of select.options) option.disabled = !able.has(option.value);
  select.value = able.has(value) ? value : [...select.options].find((option) => !option.disabled)?.value ?? "";
};

views.push(() => {
  if (!form) return;
  const of = (key, boards) => new Set(boards.map((one) => one.dataset[key]));
  let boards = all(".board");
  for (const key of ["study", "metric", "selection"]) {
    pick(form[key], state[key], of(key, boards));
    boards = boards.filter((one) => one.dataset[key] === form[key].value);
  }
  for (const one of all(".board")) one.hidden = !boards.includes(one);
  for (const one of all(".facts")) one.hidden = one.dataset.study !== form.study.value;
  for (const one of all(".drawn")) {
    one.hidden = one.dataset.study !== form.study.value || one.dataset.metric !== form.metric.value;
  }
  for (const kind of ["task", "method"]) {
    for (const box of all(`input[name=${kind}]`, form)) box.checked = !hidden(kind, box.value);
    for (const one of all(`main [data-${kind}]`)) one.toggleAttribute("hidden", hidden(kind, one.dataset[kind]));
  }
  if (!state.sort) return;
  const [name, down] = [state.sort.replace(/^-/, ""), state.sort.startsWith("-")];
  for (const one of boards) sortBy(one.querySelector("table"), name, down);
});

form?.addEventListener("input", () => {
  const off = (kind) => all(`input[name=${kind}]:not(:checked)`, form).map((box) => box.value);
  const chosen = Object.fromEntries(["study", "metric", "selection"].map((key) => [key, form[key].value]));
  change({ ...chosen, "task-off": off("task"), "method-off": off("method") });
});
form?.addEventListener("submit", (event) => event.preventDefault());

// Sorting: numbers by value, the rest by text; what has no value stays last.
const valueOf = (cell) => {
  const text = cell.dataset.value ?? cell.textContent.trim();
  const number = parseFloat(text);
  return { text, number: text === "" || Number.isNaN(number) ? null : number };
};
const sortBy = (table, name, down) => {
  const heads = all("thead th", table);
  const place = heads.findIndex((head) => head.dataset.sort === name);
  if (place < 0) return;
  for (const head of heads) head.removeAttribute("aria-sort");
  heads[place].setAttribute("aria-sort", down ? "descending" : "ascending");
  const sign = down ? -1 : 1;
  const numeric = heads[place].classList.contains("number");
  const rows = [...table.tBodies[0].rows].map((row) => ({ row, key: valueOf(row.cells[place]) }));
  rows.sort(({ key: a }, { key: b }) => {
    if (!numeric) return sign * a.text.localeCompare(b.text);
    if (a.number === null || b.number === null) return (a.number === null) - (b.number === null);
    return sign * (a.number - b.number);
  });
  table.tBodies[0].append(...rows.map((one) => one.row));
};
for (const table of all("table.sortable")) {
  all("thead th", table).forEach((head, place) => {
    head.dataset.sort ??= String(place);
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      if (table.closest(".board")) change({ sort: (down ? "-" : "") + head.dataset.sort });
      else sortBy(table, head.dataset.sort, down);
    });
  });
}

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
