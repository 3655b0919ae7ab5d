"""What a network makes of a few validation pictures, side by side: LR enlarged, bicubic, SR, HR."""

import itertools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wdsr_tf import images
from wdsr_tf.evaluation.metrics import psnr
from wdsr_tf.images.resize import imresize
from wdsr_tf.training import devices

SIDE = 128  # HR pixels that are shown: a panel then takes less than 200 kB as PNG, whatever it shows
CAPTION, GAP = 18, 4  # pixels


def patches(validation, scale, count=3):
    """uint8 (lr, hr) of the middle of the first picture in each of the first `count` batches."""
    side = SIDE // scale
    firsts = [(np.asarray(lr[0]), np.asarray(hr[0])) for lr, hr in itertools.islice(validation, count)]
    return [(_middle(lr, side, 1), _middle(hr, side, scale)) for lr, hr in firsts]


def _middle(picture, side, scale):
    """The middle `side` LR pixels in both directions of a picture `scale` times as large as LR."""
    for axis in (0, 1):
        length = picture.shape[axis] // scale
        first = max(0, length - side) // 2
        picture = picture.take(range(first * scale, min(first + side, length) * scale), axis)
    return picture


def draw(lr, sr, hr):
    """The panel of one patch: pictures uint8 H x W x 3, and what they lack beside HR in PSNR."""
    height, width = hr.shape[:2]
    shown = {
        "LR": np.asarray(Image.fromarray(lr).resize((width, height), Image.Resampling.NEAREST)),
        "bicubic": imresize(lr, size=(height, width)),
        "SR": sr,
        "HR": hr,
    }
    zoom = -(-96 // width)  # room for the captions
    panel = Image.new("RGB", (4 * (width * zoom + GAP) - GAP, height * zoom + CAPTION), "white")
    pen, font = ImageDraw.Draw(panel), ImageFont.load_default(11)
    for i, (name, picture) in enumerate(shown.items()):
        left = i * (width * zoom + GAP)
        text = f"{name} {psnr(picture, hr):.2f} dB" if name in ("bicubic", "SR") else name
        pen.text((left + 2, 2), text, "black", font)
        panel.paste(Image.fromarray(picture.repeat(zoom, 0).repeat(zoom, 1)), (left, CAPTION))
    return panel


def draw_all(model, chosen):
    """A panel for each of `chosen`, as `patches` returned them, with what `model` makes of it."""
    return [draw(lr, _upscaled(model, lr), hr) for lr, hr in chosen]


def _upscaled(model, lr):
    sr = model.predict_on_batch(np.stack([lr] * devices.local_count()))[0]  # devices that share batches want one each
    return images.to_uint8(np.nan_to_num(sr))  # a broken network does not end the run here
