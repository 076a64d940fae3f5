"""The table of studies in experiments/README.md, from what each study's README says it found.

    python -m experiments.index              # writes it anew

A study is a folder with a figure.png and a README.md whose title is its question, and whose finding begins with
"**Finding.** " and a sentence.
"""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
BEGIN, END = "<!-- studies: made by python -m experiments.index -->\n", "<!-- end of studies -->\n"


def studies() -> dict[str, tuple[str, str]]:
    """Of each study its question and its finding, one line each."""
    found = {}
    for readme in sorted(HERE.glob("*/README.md")):
        text = readme.read_text(encoding="utf-8")
        finding = re.search(r"^\*\*Finding\.\*\* (.+?[.!])(?=\s)", text, re.MULTILINE | re.DOTALL)
        if finding and (readme.parent / "figure.png").exists():
            title = text.splitlines()[0].removeprefix("# ")
            found[readme.parent.name] = title, " ".join(finding[1].split())
    return found


def page() -> str:
    """experiments/README.md as it should be."""
    text = (HERE / "README.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    lines = ["| study | finding | figure |\n", "| --- | --- | --- |\n"]
    for name, (title, finding) in studies().items():
        said = finding.replace("|", r"\|")  # a bar would end the cell
        lines.append(f"| [{name}]({name}/README.md): {title} | {said} | ![{name}]({name}/figure.png) |\n")
    return f"{before}{BEGIN}{''.join(lines)}{END}{after}"


if __name__ == "__main__":
    (HERE / "README.md").write_text(page(), encoding="utf-8")
