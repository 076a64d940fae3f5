"""A table as text: Markdown, LaTeX, terminal. Nothing that a name holds can break out of its cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.markup import escape
from rich.table import Table as RichTable

__all__ = ["Entry", "Table", "latex_document", "number", "tex"]


@dataclass(frozen=True)
class Entry:
    """Text of a cell; ``best`` shows bold."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        header: Column names.
        lines: A line a row.
        groups: What each line belongs to; a rule is drawn where it changes.
        notes: What a reader must know besides.
        title: Above it; "" for none.
        left: Columns from the left that are text; the others are numbers.
        about: Where its numbers come from, in a line or two above it.
    """

    header: list[str]
    lines: list[list[Entry]]
    groups: list[str]
    notes: list[str] = field(default_factory=list)
    title: str = ""
    left: int = 3
    about: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        rows = ["| " + " | ".join(map(_md, self.header)) + " |"]
        rows.append("|" + " --- |" * self.left + " ---: |" * (len(self.header) - self.left))
        for line in self.lines:
            cells = (f"**{_md(cell.text)}**" if cell.best else _md(cell.text) for cell in line)
            rows.append("| " + " | ".join(cells) + " |")
        title = f"## {_md(self.title)}\n\n" if self.title else ""
        title += "".join(f"{_md(line)}\n\n" for line in self.about)
        notes = "".join(f"\n* {_md(note)}" for note in self.notes)
        return title + "\n".join(rows) + "\n" + notes + ("\n" if self.notes else "")

    def latex(self) -> str:
        """A booktabs table that may run over pages (longtable)."""
        columns = "l" * self.left + "r" * (len(self.header) - self.left)
        lines = [f"\\paragraph{{{tex(self.title)}}}"] if self.title else []
        lines += [f"{tex(line)}\\par" for line in self.about]
        lines += [f"\\begin{{longtable}}{{{columns}}}", "\\toprule"]
        lines += [" & ".join(map(tex, self.header)) + " \\\\", *([] if not self.lines else ["\\midrule"]), "\\endhead"]
        previous = self.groups[0] if self.groups else None
        for line, group in zip(self.lines, self.groups, strict=True):
            lines += ["\\midrule"] if group != previous else []
            previous = group
            cells = (f"\\textbf{{{tex(cell.text)}}}" if cell.best else tex(cell.text) for cell in line)
            lines.append(" & ".join(cells) + " \\\\")
        return "\n".join([*lines, "\\bottomrule", "\\end{longtable}", ""])

    def terminal(self) -> RichTable:
        table = RichTable(title=escape(self.title) or None, header_style="bold", pad_edge=False, title_justify="left")
        for k, name in enumerate(self.header):
            table.add_column(escape(name), justify="left" if k < self.left else "right")
        previous = self.groups[0] if self.groups else None
        for line, group in zip(self.lines, self.groups, strict=True):
            if group != previous:
                table.add_section()
            previous = group
            table.add_row(*(f"[bold]{escape(cell.text)}[/bold]" if cell.best else escape(cell.text) for cell in line))
        return table


def number(value: float, digits: int) -> str:
    """A value with as many decimals as a reader needs; as a power of ten where they would show nothing of it."""
    return f"{value:.1e}" if 0 < abs(value) < 10**-digits else f"{value:.{digits}f}"


def latex_document(tables: Sequence[Table]) -> str:
    """Tables that compile on their own, and that may be input into a document that loads booktabs and longtable."""
    return "\n".join([_OPENING, *(table.latex() for table in tables), _CLOSING, ""])


# LaTeX forgets \@nodocument at \begin{document}: so the file knows whether it is a document or a part of one.
_OPENING = r"""\makeatletter
\ifx\@nodocument\relax
  \let\mapgaclosing\relax
\else
  \def\mapgaclosing{\end{document}}
  \documentclass{article}
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
  \usepackage{booktabs,longtable}
  \usepackage[a3paper,landscape,margin=15mm]{geometry}
  \begin{document}
\fi
\makeatother
\footnotesize
\setlength\tabcolsep{4pt}"""
_CLOSING = r"\mapgaclosing"


# Markdown passes HTML on, so angle brackets are written as entities.
_MARKDOWN = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\`*|"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " ", "\r": " "}
)
_LATEX = str.maketrans(
    {mark: f"\\{mark}" for mark in "_&%#${}"}
    | {
        "\\": r"\textbackslash{}",
        "^": r"\^{}",
        "~": r"\~{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "±": r"$\pm$",
        "–": "--",
        "≥": r"$\geq$",
        "∞": r"$\infty$",
        "·": r"$\cdot$",
        "\n": " ",
    }
)


def _md(text: str) -> str:
    return text.translate(_MARKDOWN)


def tex(text: str) -> str:
    """Escaped; what pdflatex has no glyph for becomes a question mark."""
    return (
        "".join(mark if mark.isprintable() else " " for mark in text.translate(_LATEX))
        .encode("latin-1", "replace")
        .decode("latin-1")
    )
