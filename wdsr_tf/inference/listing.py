"""A list of images: a text file, or standard input, with one path or URL per line."""

import codecs
import os
import sys
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.system.url import is_remote

STANDARD_INPUT = "-"


def read_list(source: str | os.PathLike) -> tuple[list[Path | str], list[tuple[Path, InputError]]]:
    """Returns (images, failures) of a list; each path once, in the order of the list. URLs stay text.

    Paths are relative to the current folder and may hold any bytes. They end with a newline, or with a zero byte if
    there is one (`find -print0`). Empty lines are skipped; there are no comments, because a name may begin with `#`.

    Args:
        source: the list, or "-" for standard input.

    Raises:
        InputError: the list can't be read, or is empty.
    """
    shown = "standard input" if source == STANDARD_INPUT else str(source)
    try:
        content = sys.stdin.buffer.read() if source == STANDARD_INPUT else Path(source).read_bytes()
    except (OSError, AttributeError) as error:  # without a console there is no stdin
        raise InputError(f"The list {shown} can't be read: {getattr(error, 'strerror', None) or error}") from error
    paths = list(dict.fromkeys(name if is_remote(name) else Path(name) for name in _names(content)))
    if not paths:
        raise InputError(f"The list {shown} has no paths; it needs one per line.")
    images, failures = [], []
    for path in paths:
        if wrong := "" if is_remote(path) else _unusable(path):
            failures.append((path, InputError(f"{path}: {wrong}")))
        else:
            images.append(path)
    return images, failures


def _names(content):
    if content.startswith(codecs.BOM_UTF16_LE):  # what `>` writes in Windows PowerShell
        content = content.decode("utf-16").encode()
    content = content.removeprefix(codecs.BOM_UTF8)
    zeros = b"\0" in content
    for line in content.split(b"\0" if zeros else b"\n"):
        if name := line if zeros else line.removesuffix(b"\r"):
            yield os.fsdecode(name)


def _unusable(path):
    if path.is_dir():
        return "is a folder; list the images in it, or pass it with -i"
    return "" if path.exists() else "no such file"
