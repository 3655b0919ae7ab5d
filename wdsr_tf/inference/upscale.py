"""One picture through a network, checked before anyone sees it."""

import dataclasses

import keras
import numpy as np

from wdsr_tf.errors import InputError
from wdsr_tf.images import to_uint8
from wdsr_tf.resize import imresize

GREY_OF_RGB = np.array([0.299, 0.587, 0.114], "float32")  # BT.601


def upscale(model, rgb):
    """`rgb` (H x W x 3, 0..255, uint8 or float) as `model` enlarges it: float32, neither clipped nor rounded.

    Raises InputError where the result is not `model.scale` times as large, or not finite.
    """
    height, width = rgb.shape[:2]
    sr = _run(model, rgb[None])[0]
    wanted = (height * model.scale, width * model.scale, 3)
    if sr.shape != wanted:
        raise InputError(f"the network {model.name} returned {sr.shape} where {wanted} was due: nothing is written")
    if not np.isfinite(sr).all():
        raise InputError(
            f"the network {model.name} returned values that are not finite: its weights are damaged, or its precision "
            "is too low for them; try another checkpoint, or float32"
        )
    return sr


def upscale_picture(model, picture):
    """A `Picture` as `model` enlarges it: grey stays grey, transparency is enlarged with it, metadata stays."""
    sr = upscale(model, picture.rgb)
    if picture.grey:
        sr = np.repeat((sr @ GREY_OF_RGB)[..., None], 3, axis=-1)
    alpha = None if picture.alpha is None else imresize(picture.alpha, model.scale)
    return dataclasses.replace(picture, rgb=to_uint8(sr), alpha=alpha)


def _run(model, batch):
    """A batch of pictures of one size through the compiled network, as a NumPy array."""
    if model.predict_function is None:
        _compile(model)
    return model.predict_on_batch(batch)


def _compile(model):
    """Builds the network's inference function, under TensorFlow for all sizes at once.

    Left alone, Keras would have XLA compile the network anew for every size of picture.
    """
    if keras.config.backend() == "tensorflow":
        training = model.jit_compile
        model.jit_compile = False
        model.make_predict_function()
        model.jit_compile = training
    else:
        model.make_predict_function()
