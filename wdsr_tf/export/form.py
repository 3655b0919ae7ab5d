"""What an exported model takes and returns, and how it stores its weights. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from wdsr_tf.errors import InputError, check_choice

if TYPE_CHECKING:
    import numpy as np

PRECISIONS = ("float32", "float16", "int8")
LAYOUTS = ("nhwc", "nchw")
RANGES = {"0..255": 255.0, "0..1": 1.0}  # with the value of white
TILE = (128, 128)  # for formats that need a fixed size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """What an exported model takes and returns. The default is the model contract of docs/design.md.

    Args:
        precision: of the stored weights; "int8" also computes most convolutions in 8 bits.
        image: whether the model takes and returns uint8, clipped and rounded.
        layout: order of the axes, "nhwc" or "nchw".
        value_range: of the pixels, "0..255" or "0..1".
        tile: height and width of the input, which then is one image; None is any size and any batch.
    """

    precision: str = "float32"
    image: bool = False
    layout: str = "nhwc"
    value_range: str = "0..255"
    tile: tuple[int, int] | None = None

    def __post_init__(self):
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("layout", self.layout, LAYOUTS)
        check_choice("range", self.value_range, RANGES)
        if self.image and self.value_range != "0..255":
            raise InputError("uint8 images are in 0..255. Leave out --image or --range.")

    @property
    def half(self) -> bool:
        """Whether the weights are stored in float16."""
        return self.precision == "float16"

    @property
    def dtype(self) -> str:
        """The type of input and output."""
        return "uint8" if self.image else "float32"

    @property
    def white(self) -> float:
        """The value of white, 255 or 1."""
        return RANGES[self.value_range]

    @property
    def is_planar(self) -> bool:
        """Whether the channels come before height and width."""
        return self.layout == "nchw"

    @property
    def is_default(self) -> bool:
        """Whether input and output are those of the model itself."""
        return dataclasses.replace(self, precision="float32") == Form()

    def shape(self, batch, height, width) -> tuple:
        """Returns the shape of an input or output with 3 channels."""
        return (batch, 3, height, width) if self.is_planar else (batch, height, width, 3)

    def fed(self, lr: np.ndarray) -> np.ndarray:
        """Returns the model's input for images (N, H, W, 3) in 0..255."""
        lr = lr.astype(self.dtype, copy=False)
        lr = lr if self.white == 255 else lr * lr.dtype.type(self.white / 255)
        return lr.transpose(0, 3, 1, 2) if self.is_planar else lr

    def returned(self, sr: np.ndarray) -> np.ndarray:
        """Returns images (N, H, W, 3) in 0..255 for the model's output."""
        sr = sr if self.white == 255 else sr * sr.dtype.type(255 / self.white)
        return sr.transpose(0, 2, 3, 1) if self.is_planar else sr


def tile_of(given: int | str | tuple[int, int] | list[int] | None) -> tuple[int, int] | None:
    """Returns (height, width) of 128, "128", "96x128" or (96, 128); None stays None.

    Raises:
        InputError: it is none of these.
    """
    if given is None:
        return None
    if isinstance(given, str):
        found = re.fullmatch(r"(\d+)(?:x(\d+))?", given)
        sides = found and [int(side) for side in found.groups(default=found[1])]
    else:
        sides = [given, given] if isinstance(given, int) else list(given)
    if not sides or len(sides) != 2 or min(sides) < 1:
        raise InputError(f"The tile {given!r} isn't a size. Give LR pixels as HEIGHTxWIDTH, such as 96x128, or as 128.")
    return tuple(sides)
