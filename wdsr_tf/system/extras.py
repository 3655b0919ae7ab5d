"""Optional packages: what to type where one is missing, for the way in which wdsr-tf was installed."""

import importlib.metadata
import importlib.util
import json
from pathlib import Path

from wdsr_tf.errors import InputError

PROJECT = Path(__file__).resolve().parents[2]


def is_installed(package):
    """Whether `import package` would find it; doesn't import it."""
    return importlib.util.find_spec(package) is not None


def missing(package, extra, purpose):
    """Returns the InputError for a missing `package`: what needs it, and the command that installs the extra."""
    return InputError(f"{purpose} needs {package}, which isn't installed. Install it with: {install_command(extra)}")


def install_command(extra):
    """The pip command that adds `extra` to this installation: a checkout, a wheel or folder, or a release."""
    if (PROJECT / "pyproject.toml").is_file():
        where = "." if PROJECT == Path.cwd() else str(PROJECT)
        return f"pip install -e '{where}[{extra}]'"
    origin = _origin()
    return f"pip install 'wdsr-tf[{extra}] @ {origin}'" if origin else f"pip install 'wdsr-tf[{extra}]'"


def _origin():
    """The URL that pip installed wdsr-tf from, or None if it was an index."""
    try:
        recorded = importlib.metadata.distribution("wdsr-tf").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    return json.loads(recorded)["url"] if recorded else None
