"""What a weights file may hold: bounds that keep a hostile file from exhausting memory."""

import math
import re

import numpy as np

from wdsr_tf.errors import InputError

MAX_BYTES = 384 * 2**20  # of all tensors; the largest supported model, EDSR with 256 filters, has 173 MB
MAX_TENSORS = 10_000
MAX_DIMENSIONS = 8
MAX_NAME = 256  # letters
MAX_MESSAGE = 1000  # letters
MAX_LINE = 8 * 2**20  # bytes: the names and shapes of that many tensors


class Budget:
    """Counts the tensors of one file before memory is allocated for them."""

    def __init__(self):
        self._bytes = 0
        self._tensors = 0

    def take(self, name: str, shape, itemsize: int = 4) -> int:
        """Returns the number of elements of the next tensor; raises InputError if its shape or the sum is too large."""
        whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in shape)
        if not whole or len(shape) > MAX_DIMENSIONS or not all(0 <= n <= MAX_BYTES for n in shape):
            raise InputError(f"tensor {shown(name)} has the impossible shape {shown(tuple(shape))}")
        count = math.prod(int(n) for n in shape)
        self._bytes += count * max(int(itemsize), 4)  # smaller types become float32
        self._tensors += 1
        if self._bytes > MAX_BYTES:
            raise InputError(
                f"the tensors up to {shown(name)} {tuple(shape)} have more than {MAX_BYTES >> 20} MiB, "
                "which no supported model has"
            )
        if self._tensors > MAX_TENSORS:
            raise InputError(f"the file has more than {MAX_TENSORS} tensors, which no supported model has")
        return count


def selected(arrays: dict, wanted: str) -> dict:
    """Returns the dictionary, or, if `wanted` isn't empty, a copy of the items in whose names it is found.

    Raises:
        InputError: There is no such name.
    """
    if not wanted:
        return arrays
    found = {name: array for name, array in arrays.items() if re.search(wanted, str(name))}
    if not found:
        names = ", ".join(shown(name) for name in list(arrays)[:4])
        raise InputError(f"the file is of another network: its {len(arrays)} tensors are {names or 'none'}, ...")
    return found


def plain(arrays: dict) -> dict[str, np.ndarray]:
    """Returns the same dictionary with every array checked and as C-ordered float32 or native integers.

    It replaces the arrays in place, so that few of them are in memory twice.

    Raises:
        InputError: There are no arrays, a name can't be printed, a type isn't a number's, or a value isn't finite.
    """
    if not arrays:
        raise InputError("the file has no tensors")
    budget = Budget()
    for name, array in arrays.items():
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= MAX_NAME:
            raise InputError(f"a tensor is called {shown(name)}; names must be printable, up to {MAX_NAME} letters")
        budget.take(name, array.shape, array.itemsize)
        arrays[name] = _number(name, array)
    return arrays


def _number(name, array):
    if array.dtype.kind in "iu":
        return np.asarray(array, array.dtype.newbyteorder("="), order="C")
    if array.dtype.kind != "f" or array.itemsize > 8:
        raise InputError(f"tensor {shown(name)} has type {array.dtype}; expected floats or integers")
    with np.errstate(over="ignore", invalid="ignore"):
        array = np.asarray(array, np.float32, order="C")
    if not np.isfinite(array).all():
        raise InputError(f"tensor {shown(name)} has values that aren't finite in float32 (NaN or infinity)")
    return array


def from_bfloat16(array: np.ndarray) -> np.ndarray:
    """Returns float32 of an array whose elements are the two bytes of a bfloat16."""
    return (np.ascontiguousarray(array).view("<u2").astype("u4") << 16).view("f4")


def shown(thing) -> str:
    """Returns a file's name or shape for a message: escaped, and at most 100 letters."""
    printable = isinstance(thing, str | bytes | int) or (
        isinstance(thing, tuple) and all(isinstance(n, int | np.integer) for n in thing)
    )
    text = repr(thing) if printable else f"a {type(thing).__name__}"  # nested tuples can print without end
    return text if len(text) <= 100 else text[:97] + "..."


def line(message) -> str:
    """Returns a message, which may quote a file, as one line that is safe to print."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(message)[:MAX_MESSAGE])
    return " ".join(text.split())
