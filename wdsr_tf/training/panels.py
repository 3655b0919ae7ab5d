"""Panels of validation images, side by side: LR with repeated pixels, bicubic, SR, HR."""

import itertools

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wdsr_tf import images
from wdsr_tf.evaluation.metrics import psnr
from wdsr_tf.images.resize import imresize
from wdsr_tf.training import devices

SIDE = 128  # HR pixels: a panel then takes less than 200 kB as PNG, whatever it shows
CAPTION, GAP = 18, 4  # pixels


def patches(validation, scale, count=3):
    """Returns uint8 (lr, hr) from the center of the first image in each of the first `count` batches."""
    side = SIDE // scale
    firsts = [(np.asarray(lr[0]), np.asarray(hr[0])) for lr, hr in itertools.islice(validation, count)]
    return [(_middle(lr, side, 1), _middle(hr, side, scale)) for lr, hr in firsts]


def _middle(image, side, scale):
    """The center of an image `scale` times as large as LR, `side` LR pixels wide and high."""
    for axis in (0, 1):
        length = image.shape[axis] // scale
        first = max(0, length - side) // 2
        image = image.take(range(first * scale, min(first + side, length) * scale), axis)
    return image


def draw(lr, sr, hr):
    """Draws the panel of one patch, with PSNR. `lr`, `sr` and `hr` are uint8 H x W x 3."""
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
    for i, (name, image) in enumerate(shown.items()):
        left = i * (width * zoom + GAP)
        text = f"{name} {psnr(image, hr):.2f} dB" if name in ("bicubic", "SR") else name
        pen.text((left + 2, 2), text, "black", font)
        panel.paste(Image.fromarray(image.repeat(zoom, 0).repeat(zoom, 1)), (left, CAPTION))
    return panel


def draw_all(model, pairs):
    """Returns a panel for each (lr, hr) of `pairs`, upscaled by `model`."""
    return [draw(lr, _upscaled(model, lr), hr) for lr, hr in pairs]


def _upscaled(model, lr):
    sr = model.predict_on_batch(np.stack([lr] * devices.local_count()))[0]  # one for each device
    return images.to_uint8(np.nan_to_num(sr))  # NaN mustn't end the run here
