"""How a method is drawn: its colour and marker, the same in figures, tables and plots of a report."""

from __future__ import annotations

__all__ = ["COLOURS", "MARKERS", "SHAPES"]

COLOURS = (
    ("#2563b8", "#7ab4ff"),
    ("#c2410c", "#ff9d66"),
    ("#15803d", "#6fd08c"),
    ("#9333a8", "#d99bf0"),
    ("#a16207", "#e0b84c"),
    ("#0e7490", "#5fd0de"),
    ("#be185d", "#ff8fbd"),
    ("#4338ca", "#a7a3ff"),
    ("#7c4a21", "#d0a27a"),
    ("#57606a", "#b4bcc6"),
)
"""On light and on dark paper, by a method's place (``Study.places``); each stands out from it by 4.5 to 1 at least."""

_SHAPE_OF = {
    "o": "M-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z",
    "s": "M-.9-.9H.9V.9H-.9z",
    "D": "M0-1.2L1.2 0L0 1.2L-1.2 0z",
    "^": "M0-1.1L1.1.9H-1.1z",
    "v": "M0 1.1L1.1-.9H-1.1z",
    "P": "M-.4-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4z",
    "*": "M0-1.3L.38-.4L1.24-.4L.55.2L.8 1.1L0 .55L-.8 1.1L-.55.2L-1.24-.4L-.38-.4z",
    "X": "M-1.1-.6L-.6-1.1L0-.5L.6-1.1L1.1-.6L.5 0L1.1.6L.6 1.1L0 .5L-.6 1.1L-1.1.6L-.5 0z",
    "h": "M0-1.1L.95-.55V.55L0 1.1L-.95.55V-.55z",
    "<": "M-1.1 0L.9-1.1V1.1z",
    ">": "M1.1 0L-.9-1.1V1.1z",
    "d": "M0-1.3L.75 0L0 1.3L-.75 0z",
    "p": "M0-1.1L1.05-.34L.65.9H-.65L-1.05-.34z",
}

MARKERS = "".join(_SHAPE_OF)
"""Of matplotlib, by place."""

SHAPES = tuple(_SHAPE_OF.values())
"""The same as paths of SVG, about one unit around the origin."""
