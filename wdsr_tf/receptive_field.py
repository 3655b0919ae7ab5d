"""What cutting a picture into tiles needs to know about a network: plain values, without Keras."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class ReceptiveField:
    """How far a network looks, and what it costs.

    Attributes:
        radius: LR pixels that an output pixel sees beyond its own LR pixel, on each side (the maximum of the sides).
        multiple: tiles start at multiples of so many LR pixels: strided convolutions then see what they see in the
            whole picture.
        global_mean: the output also depends on means over the whole input. Of a tile they are the tile's means, as
            where such networks come from.
        bytes_per_pixel: memory that the network takes per LR pixel of a tile, estimated.
    """

    radius: int
    multiple: int = 1
    global_mean: bool = False
    bytes_per_pixel: int = 16384
