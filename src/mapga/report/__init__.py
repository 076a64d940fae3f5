"""Many runs -> tables, pictures, a page. Reads files only; imports no torch."""

from mapga.report.export import export_images
from mapga.report.write import write_report

__all__ = ["export_images", "write_report"]
