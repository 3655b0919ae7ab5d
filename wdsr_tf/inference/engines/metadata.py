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
    try:
        props = _metadata_props(Path(path))
        return Description(
            props["architecture"],
            int(props["scale"]),
            ReceptiveField(**json.loads(props["receptive_field"])),
            json.loads(props["facts"]),
            props.get("checkpoint_sha256", ""),
            "tile" not in props and all(props.get(key, value) == value for key, value in DEFAULTS.items()),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _metadata_props(path):
    props = {}
    with path.open("rb") as file:
        for entry in _fields(file, path.stat().st_size, METADATA_PROPS):
            end = file.tell() + entry
            key, value = (file.read(length).decode() for length in _fields(file, end))
            props[key] = value
    return props


def _fields(file, end, wanted=None):
    """Stops at each field of bytes up to `end`, yields its length, and goes on after it; others are skipped."""
    while file.tell() < end:
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
