"""Optional packages: which are installed, and the command that installs the others."""

import importlib.metadata
import importlib.util
import json
import os
from pathlib import Path

from wdsr_tf.errors import InputError

PROJECT = Path(__file__).resolve().parents[2]


def is_installed(package):
    """Whether `import package` would find it; doesn't import it."""
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):  # a parent package is missing, or `sys.modules` blocks the import
        return False


def missing(package, extra, purpose):
    """Returns the InputError for a package that isn't installed.

    Args:
        package: its name, as in "onnx".
        extra: the extra of wdsr-tf that brings it, or None if the package is a dependency of every installation.
        purpose: what needs it, as in "Exporting to ONNX".
    """
    return InputError(f"{purpose} needs {package}, which isn't installed. Install it with: {install_command(extra)}")


def install_command(extra=None):
    """Returns the pip command that adds `extra` to this installation.

    That is a checkout, or a wheel, folder, URL or release that pip installed.
    """
    extras = f"[{extra}]" if extra else ""
    if _is_checkout(PROJECT):
        where = "." if Path.cwd() == PROJECT else str(PROJECT)
        return f"pip install -e {_quoted(where + extras)}"
    origin = _origin()
    return f"pip install {_quoted(f'wdsr-tf{extras} @ {origin}' if origin else f'wdsr-tf{extras}')}"


def _is_checkout(folder):
    """Whether `folder` is this project's source, rather than site-packages."""
    project = folder / "pyproject.toml"
    return project.is_file() and 'name = "wdsr-tf"' in project.read_text(encoding="utf-8")


def _origin():
    """The URL that pip installed wdsr-tf from, or None for a package index."""
    try:
        recorded = importlib.metadata.distribution("wdsr-tf").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    if not recorded:
        return None
    origin = json.loads(recorded)
    if vcs := origin.get("vcs_info"):
        return f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
    return origin["url"]


def _quoted(text):
    """`text` in the quotes that the system's shells understand: brackets are special in zsh, ' is a letter in cmd."""
    return f'"{text}"' if os.name == "nt" else f"'{text}'"
