"""The size that an image should get."""

import dataclasses
import math
import re

from wdsr_tf.errors import InputError

MAX_FACTOR = 64  # a larger one is a typing error


@dataclasses.dataclass(frozen=True)
class Size:
    """A factor, or a width, a height, or both in pixels. If all are None, the model's scale decides."""

    factor: float | None = None
    width: int | None = None
    height: int | None = None

    @property
    def is_in_pixels(self) -> bool:
        return bool(self.width or self.height)

    def of(self, height: int, width: int) -> tuple[int, int] | None:
        """Returns the (height, width) that an image of that size gets, or None if the model decides.

        A missing side follows from the aspect ratio. Raises InputError past 64 times the size.
        """
        if self.factor:
            wanted = [max(1, round(length * self.factor)) for length in (height, width)]
        elif self.is_in_pixels:
            both = self.height or round(height * self.width / width), self.width or round(width * self.height / height)
            wanted = [max(1, length) for length in both]
        else:
            return None
        if max(wanted[0] / height, wanted[1] / width) > MAX_FACTOR:
            raise InputError(
                f"{width} x {height} pixels would become {wanted[1]} x {wanted[0]}, more than {MAX_FACTOR} times as "
                "large."
            )
        return tuple(wanted)


def parse_size(scale: float | str | None = None, size: str | tuple | None = None) -> Size:
    """Returns the `Size` for a factor or a size in pixels.

    Args:
        scale: factor, such as 2, 3.5 or "3.5".
        size: "4000x" (width), "x3000" (height), "4000x3000", or a pair (width, height) in which one may be None.

    Raises:
        InputError: both are given, or one isn't valid.
    """
    if scale is not None and size is not None:
        raise InputError("scale and size exclude each other; pass one of them.")
    if scale is not None:
        try:
            factor = math.nan if isinstance(scale, bool) else float(scale)
        except (TypeError, ValueError):
            factor = math.nan
        if not 0 < factor <= MAX_FACTOR:
            raise InputError(f"scale must be a factor up to {MAX_FACTOR}, such as 2 or 3.5; it is {scale!r}.")
        return Size(factor=factor)
    if size is None:
        return Size()
    text = size if isinstance(size, str) else "x".join("" if side is None else str(side) for side in size)
    match = re.fullmatch(r"(\d{0,7})x(\d{0,7})", text.lower())
    width, height = (int(side or 0) for side in match.groups()) if match else (0, 0)
    if not (width or height) or "0" in match.groups():
        raise InputError(
            f"size must be a width, a height or both in pixels, such as 4000x, x3000 or 4000x3000; it is {size!r}."
        )
    return Size(width=width or None, height=height or None)
