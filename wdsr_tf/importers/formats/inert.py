"""What a checkpoint may hold beside its tensors, such as a best PSNR or the arguments of the training script.

None of it is ever constructed: a pickle that names one of these types gets a `Placeholder`, whatever it passes.
"""


class Placeholder:
    """Something that isn't needed; it holds nothing."""


def skipped(*_):
    """Returns a placeholder for any call."""
    return Placeholder()


_PATHS = ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
_BUILTINS = (
    *("set", "frozenset", "list", "tuple", "dict", "str", "bytes", "bytearray", "int", "float", "bool", "complex"),
    *("slice", "range"),
)
_NUMBERS = (
    *("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("bool_", "dtype", "ndarray"),
)
_DTYPES = ("complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64")
NAMES = {
    **{f"{module}.{name}": skipped for module in ("builtins", "__builtin__") for name in _BUILTINS},
    **{f"{module}.{name}": skipped for module in ("pathlib", "pathlib._local") for name in _PATHS},
    **{f"numpy.{name}": skipped for name in _NUMBERS},
    **{f"numpy.{core}.multiarray.{name}": skipped for core in ("core", "_core") for name in ("scalar", "_reconstruct")},
    **{f"torch.{name}": skipped for name in ("device", *_DTYPES)},
    "argparse.Namespace": skipped,
    "_codecs.encode": skipped,  # the bytes of a NumPy array, in pickles of protocol 2
}
