"""All numbers of all images of a report, unrounded, a line an image and metric: as CSV, and as Parquet with pyarrow."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from mapga.records.collect import Run
from mapga.records.image_scores import COLUMNS, image_rows

__all__ = ["PARQUET", "images_csv", "images_parquet"]

PARQUET = 'pip install "mapga[parquet]"'


def images_csv(runs: Sequence[Run]) -> str:
    """``run,index,metric,value``, runs by name."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(image_rows(sorted(runs, key=lambda run: run.folder.name)))
    return out.getvalue()


def images_parquet(runs: Sequence[Run]) -> bytes | None:
    """The same as a Parquet file: strings, int64, float64; None where pyarrow is not installed."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return None
    rows = list(image_rows(sorted(runs, key=lambda run: run.folder.name)))
    kinds = (pyarrow.string(), pyarrow.int64(), pyarrow.string(), pyarrow.float64())
    columns = [[row[k] for row in rows] for k in range(len(COLUMNS))]
    table = pyarrow.table(
        {name: pyarrow.array(column, kind) for name, column, kind in zip(COLUMNS, columns, kinds, strict=True)}
    )
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()
