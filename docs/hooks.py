"""MkDocs hooks: the changelog as a page, a table of training settings, links that work on GitHub and on the site."""

import dataclasses
import posixpath
import re
import sys
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(\]\(|\b(?:src|href)=\")(?!#|[a-z]+:)([^)\s\"#]+)")


def on_files(files, config):
    """Adds CHANGELOG.md as a page."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    text = LINK.sub(lambda match: match[1] + posixpath.join("..", match[2]), text)  # as if it were in docs/
    files.append(File.generated(config, "changelog.md", content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Adds the table of settings, and turns `../FILE` into the address of that file in the repository."""

    def address(match):
        path = posixpath.normpath(posixpath.join("docs", match[2]))
        if path.startswith("docs/"):
            return match[1] + path.removeprefix("docs/")
        if not (ROOT / path).exists():
            raise PluginError(f"{page.file.src_uri} links to {match[2]}, which doesn't exist.")
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"{match[1]}{config.repo_url.rstrip('/')}/{kind}/main/{path}"

    return LINK.sub(address, _with_settings(markdown))


def _with_settings(markdown):
    """Replaces the mark `<!-- settings -->` by a table of the fields of `TrainingConfig`."""
    mark = "<!-- settings -->"
    if mark not in markdown:
        return markdown
    sys.path.insert(0, str(ROOT))
    from wdsr_tf.training.config import TrainingConfig

    config = TrainingConfig()
    rows = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for field in dataclasses.fields(config):
        rows.append(f"| `{field.name}` | `{getattr(config, field.name)!r}` | {field.metadata['option'].sentence} |")
    return markdown.replace(mark, "\n".join(rows))
