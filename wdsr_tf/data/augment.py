"""Crops, flips and rotates LR and HR together: pure functions of (lr, hr) and explicit choices that return views."""

import numpy as np

LrHr = tuple[np.ndarray, np.ndarray]


def crop(lr: np.ndarray, hr: np.ndarray, top: int, left: int, size: int, scale: int) -> LrHr:
    """Returns the `size` x `size` patch of `lr` at (top, left) and the patch of `hr` that shows the same."""
    return lr[top : top + size, left : left + size], hr[top * scale :, left * scale :][: size * scale, : size * scale]


def flip(lr: np.ndarray, hr: np.ndarray) -> LrHr:
    """Flips both left to right."""
    return lr[:, ::-1], hr[:, ::-1]


def rotate(lr: np.ndarray, hr: np.ndarray, turns: int) -> LrHr:
    """Rotates both counterclockwise by `turns` times 90 degrees."""
    return _turned(lr, turns), _turned(hr, turns)


def _turned(x, turns):
    """np.rot90 without its checks, which take as long as copying a patch."""
    turns %= 4
    x = x.swapaxes(0, 1) if turns % 2 else x
    return x[:: -1 if turns in (1, 2) else 1, :: -1 if turns in (2, 3) else 1]


def augment(lr: np.ndarray, hr: np.ndarray, flipped: bool, turns: int) -> LrHr:
    """Flips both if `flipped`, then rotates both by `turns` times 90 degrees: one of eight symmetries."""
    return rotate(*(flip(lr, hr) if flipped else (lr, hr)), turns)
