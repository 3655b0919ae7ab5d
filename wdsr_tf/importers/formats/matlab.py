"""MATLAB's `.mat` files of versions 5 to 7: variables that are arrays of real numbers, and structs of cells of them.

    header of 128 bytes | elements: type, size, data padded to 8 bytes; a short one fits into 8 bytes
    variable = an element of elements: class and flags | dimensions | name | values, in the smallest sufficient type
    struct: ... | length of field names | field names | a variable for each field; cell: ... | a variable for each cell

The format: "MAT-File Format", MathWorks. SciPy's reader crashes on some damaged files, and nothing else needs SciPy.
"""

import itertools
import zlib

import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats.limits import MAX_NAME, Budget

NAME = "MATLAB .mat file"
MAX_BYTES = 16 * 2**20  # of the file, and of what it decompresses to; SRCNN's files have half a megabyte
HEADER = 128
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
INT32, UINT32, MATRIX, COMPRESSED = 5, 6, 14, 15
CELL, STRUCT = 1, 2  # classes of variables
FLOATS, INTEGERS = (6, 7), range(8, 16)  # classes of variables: double and single; int8 to uint64
COMPLEX = 0x800
MAX_FIELDS = 64  # of a struct


def matches(path, head):
    """Whether the file begins with MATLAB's header, which version 4 doesn't have."""
    return head.startswith(b"MATLAB ") and b"MAT-file" in head[:32]


def read(path):
    """Returns the variables, with at least two axes, the first of which changes fastest; doubles are floats.

    The cells of a struct's field `weight` are `weight1`, `weight2`, ..., without the name of the struct.
    """
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"the file is larger than {MAX_BYTES >> 20} MiB")
    data = path.read_bytes()
    if data.startswith(b"MATLAB 7.3"):
        raise InputError("version 7.3 of the format isn't supported; save the file in MATLAB with -v7")
    order = {b"IM": "<", b"MI": ">"}[data[126:128]]
    budget = Budget()
    arrays = {}
    for element in _matrices(data, order):
        for name, array in _variable(element, order, budget):
            if name in arrays:
                raise InputError(f"two variables are called {name}")
            arrays[name] = array
    if not arrays:
        raise InputError("no variable in the file is an array of numbers")
    return arrays


def _matrices(data, order):
    """Yields the data of each variable, decompressed."""
    left = MAX_BYTES
    for kind, element in _elements(data[HEADER:], order):
        if kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(element, left + 1)
            left -= len(unpacked)
            if left < 0:
                raise InputError(f"the file decompresses to more than {MAX_BYTES >> 20} MiB")
            kind, element = next(_elements(unpacked, order))
        if kind == MATRIX:
            yield element


def _elements(data, order):
    """Yields (type, data) for each element."""
    at = 0
    while at < len(data):
        kind, size = (int(n) for n in np.frombuffer(data, f"{order}u4", 2, at))
        start = at + 8
        if kind >> 16:  # a short element: the size is beside the type, and the data follow both
            kind, size, start = kind & 0xFFFF, min(kind >> 16, 4), at + 4
        at = start + size
        if at > len(data):
            raise InputError("the file is truncated or damaged: an element extends beyond its end")
        yield kind, data[start:at]
        at += -at % 8 if kind != COMPRESSED else 0


def _variable(element, order, budget):
    """Yields a variable's name and values if they are real numbers, and those of a struct's cells."""
    elements = _elements(element, order)
    flags, name, kind, shape = _header(elements, order)
    if kind == STRUCT:
        for field, value in _fields(elements, order):
            yield from _cells(field, value, order, budget)
    elif kind in (*FLOATS, *INTEGERS):
        yield name, _numbers(name, elements, flags, kind, shape, order, budget)


def _header(elements, order):
    flags, dimensions = (_values(next(elements), order, kind) for kind in (UINT32, INT32))
    _, name = next(elements)
    return int(flags[0]), name.decode("ascii"), int(flags[0]) & 0xFF, tuple(int(n) for n in dimensions)


def _fields(elements, order):
    """Yields the name and the data of each field of a struct; arrays of structs are refused."""
    length = int(_values(next(elements), order, INT32)[0])
    _, text = next(elements)
    if not 0 < length <= MAX_NAME or len(text) % length or len(text) > length * MAX_FIELDS:
        raise InputError("the file is damaged: the names of a struct's fields have an impossible length")
    names = [text[at : at + length].partition(b"\0")[0].decode("ascii") for at in range(0, len(text), length)]
    values = [value for _, value in itertools.islice(elements, len(names) + 1)]
    if len(values) != len(names):
        raise InputError("a variable is an array of structs, or a struct without some of its fields")
    yield from zip(names, values, strict=True)


def _cells(field, element, order, budget):
    """Yields the arrays of numbers in a field's cells, numbered from 1 as in MATLAB."""
    elements = _elements(element, order)
    if _header(elements, order)[2] != CELL:
        return
    for number, (_, cell) in enumerate(elements, start=1):
        name, parts = f"{field}{number}", _elements(cell, order)
        flags, _, kind, shape = _header(parts, order)
        if kind not in (*FLOATS, *INTEGERS):
            raise InputError(f"{name} isn't an array of numbers")
        yield name, _numbers(name, parts, flags, kind, shape, order, budget)


def _numbers(name, elements, flags, kind, shape, order, budget):
    """Returns the values of a variable; MATLAB stores whole doubles as integers."""
    if flags & COMPLEX:
        raise InputError(f"variable {name} is complex")
    budget.take(name, shape)
    values = _values(next(elements), order).reshape(shape, order="F")
    return values.astype("f8") if kind in FLOATS else values


def _values(element, order, expected=None):
    kind, data = element
    if kind not in TYPES or expected not in (None, kind):
        raise InputError(f"the file is damaged: an element has type {kind} instead of a number's")
    return np.frombuffer(data, order + TYPES[kind])
