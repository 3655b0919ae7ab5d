"""Self-ensemble: the mean of a picture's enlargements in all eight positions, turned back."""

import numpy as np


def self_ensemble(upscale, rgb):
    """`rgb` (H x W x 3) as `enlarge` enlarges it, averaged over its four rotations and their mirror images."""
    total = 0.0
    for mirrored in (False, True):
        picture = rgb[:, ::-1] if mirrored else rgb
        for turns in range(4):
            sr = np.rot90(upscale(np.ascontiguousarray(np.rot90(picture, turns))), -turns)
            total = total + (sr[:, ::-1] if mirrored else sr)
    return total / 8
