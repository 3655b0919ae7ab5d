"""Conversion to the 256 colors of GIF."""

import numpy as np
from PIL import Image

CLEAR = 255  # palette index of transparent pixels
OPAQUE = 128  # lowest alpha that is shown: a GIF pixel is either opaque or transparent


def paletted(values: np.ndarray) -> Image.Image:
    """Converts uint8 H x W x 1 (gray), 2 (gray and alpha), 3 (RGB) or 4 (RGBA) to a Pillow image with a palette."""
    colors = np.repeat(values[..., :1], 3, axis=-1) if values.shape[2] < 3 else values[..., :3]
    if values.shape[2] in (1, 3):
        return Image.fromarray(np.ascontiguousarray(colors)).quantize(256)
    clear = values[..., -1] < OPAQUE
    colors = np.where(clear[..., None], 0, colors)
    image = Image.fromarray(colors).quantize(CLEAR)
    image.paste(CLEAR, mask=Image.fromarray(clear))
    image.info["transparency"] = CLEAR
    return image
