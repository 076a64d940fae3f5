"""Markdown that lies elsewhere in the repository has a page of the site, at its own path; links work in both places.

Links are written as they work in a checkout. Those to a page or a picture of the site are turned into the site's, those
to other files of the repository become plain text, and what is not there is left as it is, for mkdocs to complain of.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ELSEWHERE = (
    "CONTRIBUTING.md", "CHANGELOG.md", "experiments/**/*.md", "experiments/*/*.png", "benchmarks/*.md",
    "examples/plugin/README.md", "src/mapga/priors/weights/*.md",
)  # fmt: skip
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?\[(?P<text>[^\]]*)\]\()(?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies elsewhere."""
    for pattern in ELSEWHERE:
        for path in sorted(ROOT.glob(pattern)):
            where = path.relative_to(ROOT).as_posix()
            files.append(File(where, str(ROOT), config.site_dir, config.use_directory_urls))
    studies = next(item["Studies"] for item in config.nav if "Studies" in item)
    studies.extend(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("experiments/*/README.md")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page, outside of its blocks of code."""
    if page.file.abs_src_path is None:  # made from cards
        return markdown
    source = Path(page.file.abs_src_path)

    def turned(found: re.Match[str]) -> str:
        path = Path(posixpath.normpath(source.parent / found["target"]))
        path = path / "README.md" if (path / "README.md").exists() else path
        known = files.get_file_from_path(_place(path))
        if known is None:
            return found["text"] if path.exists() else found[0]
        there = posixpath.relpath(known.src_uri, posixpath.dirname(page.file.src_uri))
        return f"{found[1]}{there}{found['anchor'] or ''})"

    return "".join(part if part.startswith("```") else _LINK.sub(turned, part) for part in _FENCE.split(markdown))


def _place(path: Path) -> str:
    """Where a file of the repository is in the site."""
    for root in (DOCS, ROOT):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return ""
