"""Safetensors files. Needs the package `safetensors`."""

from wdsr_tf.errors import InputError
from wdsr_tf.importers.formats import limits

NAME = "safetensors file"
MAX_HEADER = 4 * 2**20  # a tensor takes some 100 bytes; parsed it takes ten times as much
ITEM_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1}


def fits(path, head):
    """Whether the file begins with a length and the brace of a header; the format has no magic number."""
    return head[8:9] == b"{" and head[5:8] == b"\0\0\0"


def read(path):
    """The tensors by name, in the order in which they lie in the file."""
    import ml_dtypes  # noqa: F401 (NumPy knows bfloat16 from then on)

    try:
        import safetensors
    except ImportError as error:
        raise InputError("reading it needs the package safetensors: pip install 'wdsr-tf[weights]'") from error
    with path.open("rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > MAX_HEADER:
        raise InputError(f"a header of {header} bytes: no network here needs more than {MAX_HEADER}")
    budget = limits.Budget()
    arrays = {}
    with safetensors.safe_open(path, framework="np") as file:
        for name in file.offset_keys():
            piece = file.get_slice(name)
            dtype = piece.get_dtype()
            if dtype not in ITEM_SIZES:
                raise InputError(f"tensor {limits.shown(name)} is of type {dtype}: {', '.join(ITEM_SIZES)} can be read")
            budget.take(name, piece.get_shape(), ITEM_SIZES[dtype])
            array = file.get_tensor(name)
            arrays[name] = array.astype("float32") if dtype == "BF16" else array
    return arrays
