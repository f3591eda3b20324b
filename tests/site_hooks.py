"""What mkdocs.yml cannot say by itself: pages that lie outside docs/, and the list of results.

Links in the pages are those of a code host. On the site, CHANGELOG.md and LICENSE are pages of
their own; a link to any other file outside docs/ becomes its name.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = {"CHANGELOG.md": "CHANGELOG.md", "LICENSE": "LICENSE.md"}  # files to pages of the site
GROUPS = (  # titles in the navigation to the beginnings of names of pages below docs/results
    ("Text", ("text", "discover")),
    ("Images", ("image", "anomaly")),
    ("Molecules", ("molecule",)),
    ("Trajectories", ("trajectory",)),
    ("Few labels", ("semi",)),
    ("Controlled", ("control",)),
    ("Data space", ("ebm", "rbm")),
    ("Generators and energies", ("coop", "cycle", "abp", "adversarial", "explicit", "denoising")),
)
OTHER = "More"
WIDE = ("recipe-table.md", "gallery.md")  # pages without a table of contents
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of docs/results in the place of results/*."""
    nav = config.nav or []
    for entry in nav:
        for title, inner in entry.items() if isinstance(entry, dict) else ():
            if isinstance(inner, list):
                entry[title] = [each for item in inner for each in _expanded(item)]
    return config


def _expanded(item: Any) -> list[Any]:
    return _results() if item == "results/*" else [item]


def _results() -> list[dict[str, list[str]]]:
    """The pages of docs/results by kind, in the order of `GROUPS`."""
    groups: dict[str, list[str]] = {title: [] for title, _ in GROUPS} | {OTHER: []}
    for page in sorted((ROOT / "docs" / "results").glob("*.md")):
        title = next((t for t, starts in GROUPS if page.stem.startswith(starts)), OTHER)
        groups[title].append(f"results/{page.name}")
    return [{title: pages} for title, pages in groups.items() if pages]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that lie outside docs/."""
    for source, page in OUTSIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        if source == "LICENSE":
            text = f"# License\n\n```text\n{text}\n```\n"
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links that leave docs/ into links to pages of the site, or into names."""
    folder = posixpath.dirname(page.file.src_uri)
    if page.file.src_uri in WIDE:
        page.meta["hide"] = ["toc"]

    def turned(match: re.Match[str]) -> str:
        picture, text, target = match.groups()
        path, hash_, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        outside = posixpath.normpath(posixpath.join("docs", folder, path))
        if page.file.src_uri in OUTSIDE.values():  # a page that lies at the top itself
            outside = posixpath.normpath(path)
        if outside in OUTSIDE:
            there = posixpath.relpath(OUTSIDE[outside], folder or ".")
        elif outside.startswith("docs/"):
            there = posixpath.relpath(outside.removeprefix("docs/"), folder or ".")
        else:
            return f"{text} (`{outside}`)"
        return f"{picture}[{text}]({there}{hash_}{anchor})"

    return LINK.sub(turned, markdown)
