"""How much memory an image may take, and how many pixels that is."""

import re

from wdsr_tf.errors import InputError

ENOUGH = 2**30  # bytes: on a CPU, larger tiles are no faster
LONG = 12  # times the radius: longer tiles save little more of what neighbors share
UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def parse(text):
    """Returns a function from the free bytes to those that may be used, for text such as `2GiB`, `800M` or `50%`.

    K, M, G and T are powers of 1024, with or without `iB` or `B`; a plain number is bytes. Raises InputError for
    anything else.
    """
    text = str(text).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:(%)|([kmgt]?)(?:i?b)?)", text, re.IGNORECASE)
    amount = float(match[1]) if match else 0
    if amount <= 0 or (match[2] and amount > 100):
        raise InputError(f"memory must be a size such as 2GiB or 800MiB, or a share such as 50%; it is {text!r}.")
    if match[2]:
        return lambda free: int(free * amount / 100)
    return lambda free: int(amount * UNITS[match[3].lower()])


def default(receptive_field, free):
    """Returns the bytes that an image may take by default: half of those that are free, up to 1 GiB.

    A network with a large receptive field gets more: what a tile takes that is twelve times as long as the radius, or
    as the overlap that is used instead.
    """
    long = receptive_field.bytes_per_pixel * (LONG * receptive_field.radius) ** 2
    return min(free // 2, max(ENOUGH, long))


def room(free, memory=None):
    """Returns the bytes that all images in progress may take together: half of those that are free by default."""
    return free // 2 if memory is None else parse(memory)(free)


def pixels(receptive_field, free, memory=None):
    """Returns how many LR pixels may be in the network at once, by `memory` (text for `parse`) or by default."""
    allowed = default(receptive_field, free) if memory is None else parse(memory)(free)
    return max(1, allowed // receptive_field.bytes_per_pixel)
