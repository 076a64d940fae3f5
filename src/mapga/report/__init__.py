"""Many runs -> tables, pictures, a page. Reads files only; imports no torch."""

from mapga.report.collect import Run, collect
from mapga.report.export import export_images
from mapga.report.write import write_report

__all__ = ["Run", "collect", "export_images", "write_report"]
