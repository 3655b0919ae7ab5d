"""`wdsr_tf.upscale`: one call from a picture, and a checkpoint or one that ships with the package, to an array."""

import functools
import os

import numpy as np

from wdsr_tf import images, weights
from wdsr_tf.errors import InputError
from wdsr_tf.inference import routing as choose
from wdsr_tf.inference.engines import Engine, open_engine
from wdsr_tf.inference.picture import upscale_picture


def upscale(
    picture,
    checkpoint=None,
    *,
    scale=None,
    engine="keras",
    precision="float32",
    memory=None,
    self_ensemble=False,
    max_pixels=images.MAX_PIXELS,
):
    """`picture` enlarged: an array (H, W, 3), or (H, W, 4) with transparency, of the type of its values.

    Attributes:
        picture: a file, or an array of that shape: uint8, uint16, or float32 in 0..1.
        checkpoint: a `.keras` file, or what `open_engine` made of one: for many pictures, so that it is opened once.
            Without it, the best one for `scale` that ships with the package; from a noisy JPEG file, one for JPEG.
        scale: 2, the default, or that of another network that ships; a checkpoint has its own.
        engine, precision: as `open_engine` takes them.
        memory: what tiles may take, such as "2GiB" or "50%".
        self_ensemble: the mean over eight flips and turns: a little better, eight times as long.
        max_pixels: a file with a larger picture is refused.
    """
    is_file = isinstance(picture, (str, os.PathLike))
    whole = images.read_picture(picture, max_pixels) if is_file else _of_array(picture)
    if checkpoint is None:
        path = _shipped(2 if scale is None else scale, is_file and choose.is_noisy_jpeg(picture))
        network = _opened(path, engine, precision)
    elif scale is not None:
        raise InputError("a checkpoint has its own scale; `scale` chooses among those that ship with the package")
    else:
        network = checkpoint if isinstance(checkpoint, Engine) else open_engine(checkpoint, engine, precision)
    large = upscale_picture(network, whole, memory=memory, self_ensemble=self_ensemble)
    return large.rgb if large.alpha is None else np.concatenate([large.rgb, large.alpha[..., None]], axis=-1)


def _shipped(scale, jpeg):
    """The network of that scale that ships with the package: for JPEG where there is one, else the best."""
    known = choose.networks(weights.FOLDER)
    fitting = [network for network in known if network.scale == scale]
    if not fitting:
        scales = ", ".join(map(str, sorted({network.scale for network in known})))
        raise InputError(f"no network of scale {scale!r} ships with the package, but of {scales}; or name a checkpoint")
    return choose.passes(fitting, scale, jpeg=jpeg)[0].path


_opened = functools.cache(open_engine)  # the few that ship, each once


def _of_array(values):
    values = np.asarray(values)
    if values.ndim != 3 or values.shape[2] not in (3, 4) or values.size == 0:
        raise InputError(f"a picture is an array H x W x 3 or H x W x 4, not one of shape {values.shape}")
    if values.dtype not in ("uint8", "uint16", "float32"):
        raise InputError(f"a picture's values are uint8, uint16 or float32 in 0..1, not {values.dtype}")
    return images.Picture(values[..., :3], values[..., 3] if values.shape[2] == 4 else None)
