"""What tiling needs to know about a network, as plain values that don't need Keras."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """The LR pixels that an output pixel depends on, and the memory that computing it takes.

    Args:
        radius: LR pixels that an output pixel sees beyond its own LR pixel, the maximum over the four sides.
        multiple: tiles must start at multiples of this many LR pixels, so that strided layers see the same windows as
            in the whole image.
        global_mean: whether the output also depends on means over the whole input. A tile uses the means of the tile,
            as the projects that published such networks do.
        bytes_per_pixel: estimated memory for each LR pixel of a tile.
    """

    radius: int
    multiple: int = 1
    global_mean: bool = False
    bytes_per_pixel: int = 16384
