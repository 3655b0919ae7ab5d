"""What a weight file may hold: the bounds that keep a hostile one from taking the machine's memory."""

import math

import numpy as np

from wdsr_tf.errors import InputError

MAX_BYTES = 384 * 2**20  # of all tensors; the largest network that we import, EDSR of 256 filters, has 173 MB
MAX_TENSORS = 10_000
MAX_DIMENSIONS = 8
MAX_NAME = 256
MAX_MESSAGE = 1000  # letters
MAX_LINE = 8 * 2**20  # bytes: the names and shapes of so many tensors


class Budget:
    """Counts the tensors of one file before memory is taken for them."""

    def __init__(self):
        self._bytes = 0
        self._tensors = 0

    def take(self, name, shape, itemsize=4):
        """The number of elements of a tensor about to be read; InputError where its shape or the sum is too large."""
        whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in shape)
        if not whole or len(shape) > MAX_DIMENSIONS or not all(0 <= n <= MAX_BYTES for n in shape):
            raise InputError(f"tensor {shown(name)} has the shape {shown(tuple(shape))}, which no weight has")
        count = math.prod(int(n) for n in shape)
        self._bytes += count * max(int(itemsize), 4)  # smaller types become float32
        self._tensors += 1
        if self._bytes > MAX_BYTES:
            raise InputError(
                f"the tensors up to {shown(name)} {tuple(shape)} take more than {MAX_BYTES >> 20} MiB: "
                "no network here has that many weights"
            )
        if self._tensors > MAX_TENSORS:
            raise InputError(f"more than {MAX_TENSORS} tensors: no network here has that many")
        return count


def read_bytes(path):
    """The whole file, which may not be larger than all tensors may be."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError(f"more than {MAX_BYTES >> 20} MiB: no weight file of this format is that large")
    return data


def plain(arrays):
    """The same dictionary with every array as C-ordered float32 or native integers, once all are found harmless.

    Raises InputError for an empty file, for names that a terminal could stumble over, for other types than numbers
    and for values that are not finite. It replaces the arrays in place, so that memory holds few of them twice.
    """
    if not arrays:
        raise InputError("no tensors in it")
    budget = Budget()
    for name, array in arrays.items():
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            raise InputError(f"a tensor is called {shown(name)}: names are printable and at most {MAX_NAME} letters")
        budget.take(name, array.shape, array.itemsize)
        arrays[name] = _number(name, array)
    return arrays


def _number(name, array):
    if array.dtype.kind in "iu":
        return np.asarray(array, array.dtype.newbyteorder("="), order="C")
    if array.dtype.kind != "f" or array.itemsize > 8:
        raise InputError(f"tensor {shown(name)} is of type {array.dtype}: only floats and integers can be read")
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.asarray(array, np.float32, order="C")
    if not np.isfinite(array).all():
        raise InputError(f"tensor {shown(name)} holds values that are not finite in float32 (NaN or infinity)")
    return array


def shown(thing):
    """A name or shape of a file in a message: escaped, and not longer than a line."""
    printable = isinstance(thing, str | bytes | int) or (
        isinstance(thing, tuple) and all(isinstance(n, int | np.integer) for n in thing)
    )
    text = repr(thing) if printable else f"a {type(thing).__name__}"  # nested tuples can print without end
    return text if len(text) <= 100 else text[:97] + "..."


def line(message):
    """A message of a library, which may hold what a file does, as one line that is safe to print."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(message)[:MAX_MESSAGE])
    return " ".join(text.split())
