"use strict";
// Pictures with the rows of the table: an image on every task, every image of a task, a method's worst or best.
const chooser = byId("show");
const groups = () => data.gallery.filter((one) => one.study === form.study.value && !hidden("task", one.task));

// What each choice shows: a column a picture, of a group (a task) and an image.
const choices = () => {
  const found = [];
  const add = (label, value, text, columns) => {
    if (columns.length) found.push({ label, value, text, columns });
  };
  const shown = groups();
  const of = (group) => group.images.map((image) => ({ group, image }));
  const across = (able) => shown.flatMap((group) => of(group).filter(({ image }) => able(image)).slice(0, 1));
  const indices = new Set(shown.flatMap((group) => group.images.map((image) => image.index)));
  for (const index of [...indices].sort((a, b) => a - b)) {
    add("an image on every task", String(index), `image ${index}`, across((image) => image.index === index));
  }
  for (const group of shown) add("every image of a task", `task.${group.task}`, group.shown[group.task], of(group));
  for (const kind of ["worst", "best"]) {
    for (const method of methods()) {
      const marked = (image) => image.tags.some(([word, of]) => word === kind && of === method);
      add(`${kind} of a method`, `${kind}.${method}`, `${kind} of ${nameOf(method)}`, across(marked));
    }
  }
  return found;
};

const open = ({ group, image }, side) => change({ image: `${group.task}.${image.index}`, ...side });

const heading = ({ group, image }, head, one) => {
  if (!one.value.startsWith("task.")) make("div", group.shown[group.task], head);
  if (one.label !== "an image on every task") make("div", `#${image.index}`, head);
  if (!one.value.startsWith("task.")) return;
  const cases = make("div", undefined, head);
  cases.className = "case";
  for (const [kind, method] of image.tags.filter(([, of]) => !hidden("method", of))) {
    const mark = make("span", kind === "worst" ? "▾" : "▴", cases);
    mark.title = `${kind} of ${nameOf(method)}`;
    mark.style.color = colourOf(method);
  }
};

const line = (body, label, name, columns, mark) => {
  const row = make("tr", undefined, body);
  const head = make("th", undefined, row);
  head.scope = "row";
  head.append(mark ?? "", label);
  for (const column of columns) {
    const picture = column.image.pictures[name];
    const cell = make("td", undefined, row);
    if (!picture) continue;
    const side = name === "truth" || name === "measurement" ? { left: name } : { right: name };
    const button = press(cell, () => open(column, side));
    const image = make("img", undefined, button);
    image.src = source(picture);
    image.alt = `${label}: ${column.group.shown[column.group.task]}, image ${column.image.index}`;
  }
};

const choose = (one) => {
  const grid = byId("grid");
  grid.replaceChildren();
  const heads = make("tr", undefined, make("thead", undefined, grid));
  make("td", undefined, heads);
  for (const column of one.columns) heading(column, make("th", undefined, heads), one);
  const body = make("tbody", undefined, grid);
  for (const name of ["truth", "measurement"]) line(body, name, name, one.columns);
  for (const method of methods()) line(body, nameOf(method), method, one.columns, markOf(method));
  byId("pictures").style.setProperty("--rows", body.rows.length);
};

views.push(() => {
  if (!form) return;
  const found = choices();
  byId("pictures").hidden = !found.length;
  if (!found.length) return;
  const usual = groups().length > 1 ? found[0] : found.find(({ value }) => value.startsWith("task."));
  const one = found.find(({ value }) => value === state.pictures) ?? usual;
  chooser.replaceChildren();
  for (const label of new Set(found.map((other) => other.label))) {
    const group = make("optgroup", undefined, chooser);
    group.label = label;
    for (const { value, text } of found.filter((other) => other.label === label)) {
      make("option", text, group).value = value;
    }
  }
  chooser.value = one.value;
  byId("pictured").hidden = form.selection.closest("label").hidden;
  byId("pictured").textContent = `Of each method the setting that is best by ${groups()[0].by}.`;
  choose(one);
});

const step = (by) => {
  const { options, selectedIndex } = chooser;
  change({ pictures: options[(selectedIndex + by + options.length) % options.length].value });
};
if (form) {
  chooser.addEventListener("change", () => change({ pictures: chooser.value }));
  byId("show-previous").addEventListener("click", () => step(-1));
  byId("show-next").addEventListener("click", () => step(1));
}
