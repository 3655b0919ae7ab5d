"""Pictures in 256 colors."""

import numpy as np
from PIL import Image

CLEAR = 255  # the palette's entry for what is transparent
OPAQUE = 128  # from this alpha on a pixel is shown: GIF knows all or nothing


def paletted(values):
    """A Pillow image of mode P of uint8 H x W x 1 (gray), 2 (gray, alpha), 3 or 4."""
    colors = np.repeat(values[..., :1], 3, axis=-1) if values.shape[2] < 3 else values[..., :3]
    if values.shape[2] in (1, 3):
        return Image.fromarray(np.ascontiguousarray(colors)).quantize(256)
    clear = values[..., -1] < OPAQUE
    colors = np.where(clear[..., None], 0, colors)
    image = Image.fromarray(colors).quantize(CLEAR)
    image.paste(CLEAR, mask=Image.fromarray(clear))
    image.info["transparency"] = CLEAR
    return image
