"""How much memory a picture may take, and what that means in pixels."""

import re

from wdsr_tf.errors import InputError

ENOUGH = 2**30  # bytes: on a CPU tiles of more than that are no faster
LONG = 12  # times the radius: tiles of that length and more see little beside what they keep
UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def parse(text):
    """A function from the free bytes to those that may be used, of a text such as `2GiB`, `800M` or `50%`.

    K, M, G and T are powers of 1024, with or without `iB` or `B`. Raises InputError for anything else.
    """
    text = str(text).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:(%)|([kmgt]?)(?:i?b)?)", text, re.IGNORECASE)
    amount = float(match[1]) if match else 0
    if amount <= 0 or (match[2] and amount > 100):
        raise InputError(f"memory is {text!r}; it can be a size such as 2GiB or 800MiB, or a part such as 50%")
    if match[2]:
        return lambda free: int(free * amount / 100)
    return lambda free: int(amount * UNITS[match[3].lower()])


def default(receptive_field, free):
    """What a picture may take unless told otherwise: half of what is free, but no more than is of use.

    Of use is 1 GiB, or what a tile takes that is twelve times as long as the radius, whichever is more.
    """
    long = receptive_field.bytes_per_pixel * (LONG * receptive_field.radius) ** 2
    return min(free // 2, max(ENOUGH, long))


def pixels(receptive_field, free, memory=None):
    """LR pixels that may be in the network at once: of `memory`, a text for `parse`, or of the default."""
    allowed = default(receptive_field, free) if memory is None else parse(memory)(free)
    return max(1, allowed // receptive_field.bytes_per_pixel)
