"""Paired crop, flip and rotation: pure functions of (lr, hr) and explicit choices; all return views."""


def crop(lr, hr, top, left, size, scale):
    """The `size` x `size` patch of `lr` at (top, left) and the patch of `hr` that shows the same."""
    return lr[top : top + size, left : left + size], hr[top * scale :, left * scale :][: size * scale, : size * scale]


def flip(lr, hr):
    """Mirrors both left to right."""
    return lr[:, ::-1], hr[:, ::-1]


def rotate(lr, hr, turns):
    """Turns both counter-clockwise by `turns` quarters."""
    return _turned(lr, turns), _turned(hr, turns)


def _turned(x, turns):
    """As np.rot90, whose checks take as long as copying a patch."""
    turns %= 4
    x = x.swapaxes(0, 1) if turns % 2 else x
    return x[:: -1 if turns in (1, 2) else 1, :: -1 if turns in (2, 3) else 1]


def augment(lr, hr, flipped, turns):
    """Mirrors both if `flipped`, then turns both by `turns` quarters: with turns 0 to 3 all eight symmetries."""
    return rotate(*(flip(lr, hr) if flipped else (lr, hr)), turns)
