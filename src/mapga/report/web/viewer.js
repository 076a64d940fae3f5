"use strict";
// One image: the truth, two pictures with a divider to drag between them, the difference of the right one to the truth.
const viewer = byId("viewer");
const left = byId("left");
const right = byId("right");
const ZOOMS = [1, 2, 4, 8];
let zoom = 0;

// Every image of the tasks that are shown, in their order.
const images = () =>
  groups().flatMap((group) => group.images.map((image) => ({ group, image, name: `${group.task}.${image.index}` })));
const current = () => images().find(({ name }) => name === state.image);
const sides = ({ image }) => ["truth", "measurement", ...methods()].filter((name) => image.pictures[name]);
// The best of an image by the metric that is shown, or where it is none of images by the first one that is.
const bestOf = ({ group, image }, names) => {
  const by = [form.metric.value, ...Object.keys(group.metrics)].find((metric) => image.best[metric]);
  return image.best[by]?.find((name) => names.includes(name)) ?? names.at(-1);
};

const cases = (image) => {
  const said = ["worst", "best"].map((kind) => {
    const of = image.tags.filter(([word, method]) => word === kind && !hidden("method", method));
    return of.length ? `${kind} of ${of.map(([, method]) => nameOf(method)).join(", ")}` : "";
  });
  return said.filter(Boolean).join("; ");
};

const slide = (share) => {
  byId("slider").value = share;
  byId("stage").style.setProperty("--at", `${share}%`);
};
const magnify = (by) => {
  zoom = Math.min(Math.max(zoom + by, 0), ZOOMS.length - 1);
  viewer.style.setProperty("--zoom", ZOOMS[zoom]);
};

const choice = (select, names, chosen) => {
  select.replaceChildren();
  for (const name of names) make("option", nameOf(name), select).value = name;
  select.value = chosen;
};
const paint = (element, picture, text) => {
  element.src = picture ? source(picture) : "data:,";
  element.alt = text;
};

const strip = ({ group, image }, names, chosen) => {
  const [head, body] = ["thead", "tbody"].map((part) => byId("strip").querySelector(part));
  head.replaceChildren();
  body.replaceChildren();
  const titles = make("tr", undefined, head);
  make("td", undefined, titles);
  make("td", undefined, titles);
  for (const { shown, arrow } of Object.values(group.metrics)) {
    const title = make("th", `${shown} ${arrow}`, titles);
    title.scope = "col";
    title.className = "number";
  }
  for (const name of names.slice(2)) {
    const row = make("tr", undefined, body);
    row.classList.toggle("chosen", name === chosen);
    const picture = make("img", undefined, press(make("td", undefined, row), () => change({ right: name })));
    paint(picture, image.pictures[name], nameOf(name));
    const title = make("th", undefined, row);
    title.scope = "row";
    title.append(markOf(name), nameOf(name));
    for (const metric of Object.keys(group.metrics)) {
      const best = image.best[metric]?.includes(name);
      make("td", image.metrics[name]?.[metric] ?? "–", row).className = best ? "number best" : "number";
    }
  }
};

views.push(() => {
  const one = form && state.image && current();
  if (!one) {
    viewer.close();
    return;
  }
  const { group, image } = one;
  const names = sides(one);
  const [first, second] = [
    names.includes(state.left) ? state.left : names.find((name) => name === "measurement") ?? names[0],
    names.includes(state.right) ? state.right : bestOf(one, names),
  ];
  byId("viewer-title").textContent = `${group.shown[group.task]}, image ${image.index}`;
  make("small", [cases(image), image.reduced].filter(Boolean).join("; "), byId("viewer-title"));
  choice(left, names, first);
  choice(right, names, second);
  paint(byId("truth"), image.pictures.truth, "truth");
  paint(byId("over"), image.pictures[first], nameOf(first));
  paint(byId("under"), image.pictures[second], nameOf(second));
  const [against, shown] = all("img", byId("difference"));
  paint(against, image.pictures.truth, "");
  paint(shown, image.pictures[second], `difference of ${nameOf(second)} to the truth`);
  strip(one, names, second);
  if (!viewer.open) {
    slide(50);
    viewer.showModal();
  }
});

const turn = (by) => {
  const every = images();
  const at = every.findIndex(({ name }) => name === state.image);
  change({ image: every[(at + by + every.length) % every.length].name });
};
const other = (by) => {
  const names = sides(current());
  change({ right: names[(names.indexOf(right.value) + by + names.length) % names.length] });
};
const KEYS = {
  ArrowRight: () => turn(1),
  ArrowLeft: () => turn(-1),
  ArrowDown: () => other(1),
  ArrowUp: () => other(-1),
  "+": () => magnify(1),
  "-": () => magnify(-1),
  s: () => byId("save").click(),
};
viewer.addEventListener("keydown", (event) => {
  if (event.target.matches("select, input") || event.ctrlKey || event.metaKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

left.addEventListener("change", () => change({ left: left.value }));
right.addEventListener("change", () => change({ right: right.value }));
byId("slider").addEventListener("input", (event) => slide(event.target.value));
byId("previous").addEventListener("click", () => turn(-1));
byId("next").addEventListener("click", () => turn(1));
byId("closer").addEventListener("click", () => magnify(1));
byId("farther").addEventListener("click", () => magnify(-1));
// The pointer drags the divider, and all pictures are enlarged about the place it points at.
for (const stage of all(".stage", viewer)) {
  const follow = (event) => {
    const box = stage.getBoundingClientRect();
    const share = (at, start, whole) => 100 * Math.min(Math.max((at - start) / whole, 0), 1);
    const x = share(event.clientX, box.left, box.width);
    if (event.buttons && stage.id === "stage") {
      slide(Math.round(x));
      return;
    }
    viewer.style.setProperty("--x", `${x}%`);
    viewer.style.setProperty("--y", `${share(event.clientY, box.top, box.height)}%`);
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    follow(event);
  });
  stage.addEventListener("pointermove", follow);
}
