"""Self-ensemble (Timofte et al., CVPR 2016): the mean of the results for eight flips and rotations, turned back."""

import numpy as np

POSITIONS = 8


def self_ensemble(upscale, rgb):
    """Returns what `upscale` makes of `rgb` (H x W x 3), averaged over its four rotations and their mirror images."""
    total = 0.0
    for mirrored in (False, True):
        image = rgb[:, ::-1] if mirrored else rgb
        for turns in range(4):
            sr = np.rot90(upscale(np.ascontiguousarray(np.rot90(image, turns))), -turns)
            total = total + (sr[:, ::-1] if mirrored else sr)
    return total / POSITIONS
