"""Composes the complete frames of an animation from the parts that a file holds."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

KEEP, CLEAR, RESTORE = 0, 1, 2  # what happens to a part's area before the next part is drawn


@dataclasses.dataclass(frozen=True)
class Part:
    """A rectangle that is drawn on the canvas.

    Args:
        rgba: H x W x 4, uint8 or uint16.
        left: on the canvas, in pixels.
        top: on the canvas, in pixels.
        dispose: `KEEP`, `CLEAR` to transparent, or `RESTORE` what was there before.
        over: whether it is blended over the canvas; else it replaces the canvas, transparency included.
        milliseconds: how long the frame is shown.
    """

    rgba: np.ndarray
    left: int = 0
    top: int = 0
    dispose: int = KEEP
    over: bool = False
    milliseconds: float = 0.0


def compose(height: int, width: int, parts: Iterable[Part]) -> Iterator[tuple[np.ndarray, float]]:
    """Yields (H x W x 4, milliseconds) for each part, drawn on a canvas that is transparent at first.

    What lies outside the canvas is cut off. The arrays are the caller's to keep.
    """
    canvas = None
    for part in parts:
        if canvas is None:
            canvas = np.zeros((height, width, 4), part.rgba.dtype)
        area = np.s_[part.top : part.top + part.rgba.shape[0], part.left : part.left + part.rgba.shape[1]]
        before = canvas[area].copy()
        drawn = part.rgba[: before.shape[0], : before.shape[1]]
        canvas[area] = over(drawn, before) if part.over else drawn
        yield canvas.copy(), part.milliseconds
        if part.dispose == CLEAR:
            canvas[area] = 0
        elif part.dispose == RESTORE:
            canvas[area] = before


def over(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Blends RGBA values, not premultiplied, rounded: https://www.w3.org/TR/png-3/#13Alpha-channel-processing."""
    peak = np.iinfo(above.dtype).max
    alpha = above[..., 3]
    result = np.where((alpha == 0)[..., None], below, above)
    mixed = (alpha > 0) & (alpha < peak)
    if mixed.any():
        top, under = above[mixed].astype("float64"), below[mixed].astype("float64")
        weight = top[:, 3:] * peak, under[:, 3:] * (peak - top[:, 3:])
        total = weight[0] + weight[1]
        colors = (top[:, :3] * weight[0] + under[:, :3] * weight[1]) / total
        result[mixed] = np.rint(np.concatenate([colors, total / peak], axis=1))
    return result


def changed_box(before: np.ndarray | None, values: np.ndarray) -> tuple[int, int, int, int]:
    """Returns the box (top, left, bottom, right) outside which two frames are equal; one pixel if all are.

    Everything, if there is no frame `before`.
    """
    if before is None:
        return 0, 0, *values.shape[:2]
    differs = (before != values).any(axis=-1)
    if not differs.any():
        return 0, 0, 1, 1
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
