"use strict";
// What stands behind a number: its runs, its method against the others, and the config of the run that was chosen.
const runs = byId("runs");

const fill = (body, lines) => {
  body.replaceChildren();
  for (const line of lines) {
    const row = make("tr", undefined, body);
    line.forEach(([text, look], place) => {
      const cell = make("td", text, row);
      cell.className = look ?? (place ? "number" : "");
    });
  }
};

views.push(() => {
  const button = state.cell && board() && all("button.cell", board()).find((one) => one.dataset.cell === state.cell);
  const cell = button && data.cells.of[button.dataset.key];
  if (!cell) {
    runs.close();
    return;
  }
  byId("runs-title").textContent = `${cell.method} on ${cell.task}, ${cell.metric}`;
  fill(runs.querySelector("tbody"), cell.runs.map((run) => [
    [run.setting || "–"],
    [run.passes],
    [run.value ?? run.status, run.chosen ? "number best" : "number"],
    [[run.run, run.reason].filter(Boolean).join(": "), "run"],
  ]));
  if (!cell.runs.length) fill(runs.querySelector("tbody"), [[["not run"]]]);
  fill(byId("pairs").querySelector("tbody"), cell.pairs.map((line) => line.map((text) => [text])));
  byId("pairs").hidden = !cell.pairs.length;
  const config = cell.runs.filter((run) => run.chosen).map((run) => data.cells.configs[run.run]).find(Boolean);
  runs.querySelector("pre").textContent = config ?? "";
  runs.querySelector("pre").hidden = !config;
  if (!runs.open) runs.showModal();
});

for (const button of all("button.cell")) button.addEventListener("click", () => change({ cell: button.dataset.cell }));

// Both dialogs close by their button, by Escape and by a press beside them.
for (const [dialog, keys] of [[runs, ["cell"]], [byId("viewer"), ["image", "left", "right"]]]) {
  const forget = () => {
    if (state[keys[0]]) change(Object.fromEntries(keys.map((key) => [key, undefined])));
  };
  dialog.addEventListener("close", forget);
  dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
