"""What an ONNX file of ours says about itself, read without ONNX or ONNX Runtime.

Layout: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (ModelProto.metadata_props) in protocol buffers.
"""

import dataclasses
import json
from pathlib import Path

from wdsr_tf.receptive_field import ReceptiveField

METADATA_PROPS = 14  # the field's number in ModelProto
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DEFAULTS = {"layout": "NHWC", "range": "0..255", "dtype": "float32"}  # that older files of ours don't mention
WIDTHS = {FIXED64: 8, FIXED32: 4}
MAX_FIELDS = 10_000  # of a ModelProto, in which the graph is one
MAX_PROP = 8 * 2**20  # bytes of a key or a value


@dataclasses.dataclass(frozen=True)
class Description:
    """A model in an ONNX file.

    Args:
        architecture: registered name of the network.
        scale: upscaling factor.
        receptive_field: what tiling needs to know.
        facts: the checkpoint's facts.
        checkpoint_sha256: of the checkpoint that was converted, or "" if the file doesn't say.
        is_default: whether it takes float32 images in 0..255, NHWC, of any size, as all models do unless exported with
            other settings.
    """

    architecture: str
    scale: int
    receptive_field: ReceptiveField
    facts: dict
    checkpoint_sha256: str = ""
    is_default: bool = True


def describe(path: Path) -> Description | None:
    """Returns the `Description` in the ONNX file at `path`, or None if it isn't one of ours."""
    path = Path(path)
    if not path.is_file():
        return None
    try:
        props = _metadata_props(path)
        found = Description(
            props["architecture"],
            int(props["scale"]),
            ReceptiveField(**json.loads(props["receptive_field"])),
            json.loads(props["facts"]),
            props.get("checkpoint_sha256", ""),
            "tile" not in props and all(props.get(key, value) == value for key, value in DEFAULTS.items()),
        )
        return found if _is_plausible(found) else None
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError):
        return None


def _is_plausible(found):
    """Whether a network can be like that: nobody may ask for tiles that never end or that no memory holds."""
    field = found.receptive_field
    bounds = [(found.scale, 1, 64), (field.radius, 0, 2**16), (field.multiple, 1, 2**10)]
    bounds += [(field.bytes_per_pixel, 1, 2**30)]
    if not all(type(number) is int and low <= number <= high for number, low, high in bounds):
        return False
    name = found.architecture
    return isinstance(found.facts, dict) and isinstance(field.global_mean, bool) and name.isprintable()


def _metadata_props(path):
    props = {}
    with path.open("rb") as file:
        for entry in _fields(file, path.stat().st_size, METADATA_PROPS):
            end = file.tell() + entry
            key, value = (file.read(min(length, MAX_PROP)).decode() for length in _fields(file, end))
            props[key] = value
    return props


def _fields(file, end, wanted=None):
    """Stops at each field of bytes up to `end`, yields its length, and goes on after it; others are skipped."""
    for _ in range(MAX_FIELDS):
        if file.tell() >= end:
            return
        tag = _varint(file)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            _varint(file)
            continue
        length = _varint(file) if kind == BYTES else WIDTHS[kind]
        following = file.tell() + length
        if following > end:
            raise ValueError("not a protocol buffer")
        if kind == BYTES and wanted in (None, number):
            yield length
        file.seek(following)
    raise ValueError("not a protocol buffer of ours")


def _varint(file):
    value = shift = 0
    while True:
        byte = file.read(1)
        if not byte or shift > 63:
            raise EOFError
        value |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            return value
