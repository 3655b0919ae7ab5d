"""Errors that a user can fix, and spelling suggestions for their messages."""

import difflib
from collections.abc import Iterable
from typing import TypeVar

Choice = TypeVar("Choice")
MAX_LETTERS = 300  # of what a message quotes


class InputError(ValueError):
    """An input can't be used. The message says what's wrong, what was given and what to do.

    The commands print the message alone and exit with 1. Any other exception is a bug and keeps its traceback.
    """

    _keras_call_info_injected = True  # so Keras doesn't wrap the message when a layer raises it


class OutOfMemory(Exception):  # noqa: N818  (not an error yet: the caller retries with smaller tiles)
    """A batch of tiles doesn't fit into memory. Raised by engines."""


def line(text: object) -> str:
    """Returns text that may quote a file, such as a library's error, as one short line that is safe to print."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)[:4000]).split())
    return text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 3]}..."


def sentence(error: BaseException) -> str:
    """Returns the message of an error; that of an OSError as `PATH: reason`, without its number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def suggestion(word: str, known: Iterable[str]) -> str:
    """Returns `"Did you mean 'numpy'? "` for a message, or an empty string if no word in `known` is similar."""
    near = difflib.get_close_matches(str(word), [str(each) for each in known], n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


def check_choice(what: str, given: Choice, choices: Iterable[Choice]) -> Choice:
    """Returns `given` if it is one of `choices`.

    Args:
        what: what is chosen, for the message: "model", "filter".
        given: the value to check.
        choices: the allowed values.

    Raises:
        InputError: `given` isn't among them. The message lists them and suggests the most similar one.
    """
    choices = list(choices)
    if given not in choices:
        known = ", ".join(map(str, choices))
        raise InputError(f"Unknown {what} {given!r}. {suggestion(given, choices)}Choose from {known}.")
    return given
