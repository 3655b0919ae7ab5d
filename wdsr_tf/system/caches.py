"""Folders for files that can be made again, such as converted models."""

import atexit
import contextlib
import functools
import os
from pathlib import Path

from wdsr_tf.files import temporary_folder


def user_cache():
    """The user's cache folder of wdsr-tf, which `XDG_CACHE_HOME` moves; without a home folder, a temporary one."""
    root = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return Path(root or Path.home() / ".cache") / "wdsr-tf"
    except RuntimeError:  # neither HOME nor an entry for this user
        return temporary()


def folder(name):
    """The folder `name` in the user's cache folder, or a temporary one if nothing can be written there."""
    return _kept(user_cache() / name)


@functools.cache
def _kept(path):
    return first_writable(path)  # the same temporary folder each time


def first_writable(*folders):
    """The first of `folders` that exists or can be created, and can be written to; if there is none, `temporary`."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return temporary()


@functools.cache
def temporary():
    """A temporary folder that this process removes when it ends."""
    held = contextlib.ExitStack()
    atexit.register(held.close)
    return held.enter_context(temporary_folder())
