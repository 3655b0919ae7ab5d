"""The one error that a person can mend, and the word that was probably meant."""

import difflib


class InputError(ValueError):
    """What was given cannot be used: the message says what was given and what would do.

    The commands print the message alone and exit with 1; any other exception is a defect and keeps its traceback.
    """

    _keras_call_info_injected = True  # so Keras does not wrap the message when a layer raises it


def suggestion(word, known):
    """Returns `"Did you mean 'numpy'? "` for a message, or an empty string if no word in `known` is similar."""
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"Did you mean {near[0]!r}? " if near else ""


class OutOfMemory(Exception):  # noqa: N818  (no error yet: smaller tiles follow)
    """What an engine raises when a batch of tiles does not fit into memory."""
