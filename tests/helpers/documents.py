"""The Python of a document, run as it stands: what a page shows is what it does.

``python tests/helpers/documents.py docs/library.md`` runs a page in the working folder, which is where its figures go.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

__all__ = ["blocks", "run"]


def blocks(path: Path) -> list[tuple[int, str]]:
    """The Python blocks of a Markdown file, each with the number of its first line."""
    text = path.read_text()
    return [
        (text.count("\n", 0, found.start(1)) + 1, found[1])
        for found in re.finditer(r"^```python\n(.*?)^```$", text, flags=re.M | re.S)
    ]


def run(path: Path) -> dict[str, Any]:
    """Every block in order, as one program; an error names the document's line. What it defines is returned."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for line, code in blocks(path):
        exec(compile("\n" * (line - 1) + code, str(path), "exec"), names)
    return names


if __name__ == "__main__":
    run(Path(sys.argv[1]))
