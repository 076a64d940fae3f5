"""A folder of everything that a command line may name and should not have."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.folders import finished

__all__ = ["hostile_folder"]

_STUDIES = {  # conf/experiment: a name, and what is wrong
    "tab": "seed:\t1\n\tx: 2\n",
    "indent": "task:\n  sigma_y: 1\n sigma: 2\n",
    "tag": "seed: !!python/object/apply:os.system [id]\n",
    "twice": "seed: 1\nseed: 2\n",
    "anchor": "seed: *nothing\n",
    "alias": "seed: &a [*a]\n",
    "list": "- 1\n",
    "text": "hello\n",
    "key": "nonsense: 1\n",
    "kind": "seed: many\n",
    "choice": "defaults:\n  - override /task: nothing\n",
    "interpolation": "seed: ${\n",
    "points": "hydra: {sweeper: {params: {seed: '1,many'}}}\n",
    "no_points": "hydra: {sweeper: {params: {seed: 'range(0)'}}}\n",
    "one_run": "hydra: {sweeper: {params: {dataset.root: 'a,b'}}}\n",
}
_PICTURES = {  # side and mode of two of them
    **dict.fromkeys(("pictures", "mixed", "bytes"), (16, "L")),
    "small": (8, "L"),
    "odd": (15, "L"),
    "colour": (16, "RGB"),
    "clear": (16, "RGBA"),
    "float": (16, "F"),
}


def hostile_folder(here: Path) -> Path:
    """Fill an empty folder; a finished run's folder in it."""
    for name, (size, mode) in _PICTURES.items():
        (here / name).mkdir()
        for k in range(2):
            pixels = np.random.default_rng(k).integers(0, 256, (size, size)).astype(np.uint8)
            Image.fromarray(pixels).convert(mode).save(here / name / f"{k}.{'tif' if mode == 'F' else 'png'}")
    Image.new("L", (9, 9)).save(here / "mixed/9.png")
    (here / "bytes/0.png").rename(os.fsdecode(os.fsencode(here / "bytes") + b"/\xff.png"))
    for name in ("empty", "garbage", "nil", "fifo", "bomb", "lmdb", "no_npy", "no_header", "checkpoint/denoiser"):
        (here / name).mkdir(parents=True)
    (here / "file").write_text("text\n")
    (here / "loop").symlink_to(here / "loop")
    (here / "dangling").symlink_to(here / "nowhere")
    os.mkfifo(here / "fifo/x.png")
    garbage = bytes(range(256)) * 4
    for name in ("garbage/x.png", "lmdb/data.mdb", "no_npy/images.npy", "checkpoint/denoiser/checkpoint.pt"):
        (here / name).write_bytes(garbage)
    (here / "nil/x.png").write_bytes(b"")
    (here / "no_header/images.npy").write_bytes(b"")
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    (here / "bomb/x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*one) for one in chunks))
    studies = here / "conf/experiment"
    studies.mkdir(parents=True)
    for name, text in _STUDIES.items():
        (studies / f"{name}.yaml").write_text(f"# @package _global_\n{text}")
    (studies / "binary.yaml").write_bytes(b"\xff\xfe\0\1")
    (finished(here / "blocked").path.parent / "report").write_text("in the way")
    return finished(here / "done").path


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
