"""Files that are either whole or absent: everything that the house writes goes through `atomic`."""

import contextlib
import secrets
from pathlib import Path


@contextlib.contextmanager
def atomic(path):
    """Yields a temporary path beside `path`; renames it to `path` on success, removes it on failure.

    The temporary name keeps the suffix (Pillow and Keras choose the format by it) and begins with a dot, so that
    no glob of ours takes a half-written file for a whole one. Missing parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}{path.suffix}")  # short: names near the limit still fit
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
