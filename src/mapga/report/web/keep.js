"use strict";
// What a reader takes along: tables as text, pictures as files.
const saved = (name, address) => {
  const link = make("a");
  link.href = address;
  link.download = name.replace(/[^\w.+-]+/g, "-");
  link.click();
};

const SUFFIX = { Markdown: "md", CSV: "csv", LaTeX: "tex" };
for (const button of all("button[data-copy]")) {
  button.addEventListener("click", async () => {
    const kind = button.dataset.copy;
    const text = data.copies[button.dataset.board][kind];
    const said = button.parentElement.querySelector("output");
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = `${kind} copied`;
    } catch {
      // A browser that keeps its clipboard to itself gets a file.
      saved(`table.${SUFFIX[kind]}`, `data:text/plain;charset=utf-8,${encodeURIComponent(text)}`);
      said.textContent = `${kind} saved`;
    }
  });
}

byId("save").addEventListener("click", () => {
  const { image, name } = current();
  saved(`${name}-${right.value}.png`, source(image.pictures[right.value]));
});
