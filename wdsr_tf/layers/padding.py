"""Padding at the borders of images, and cropping."""

import keras
from keras import layers, ops

from wdsr_tf.errors import InputError, check_choice


@keras.saving.register_keras_serializable("wdsr_tf")
class InferencePad(layers.Layer):
    """Pads height and width at inference only, so that an unpadded network trains on clean borders.

    Args:
        size: pixels to add on each side. Images may be smaller.
        mode: "symmetric" (.. b a | a b ..), "reflect" (.. c b | a b c ..), "edge" (.. a a | a b ..) or "zeros".
        multiple: adds more at the bottom and right until this divides the padded height and width.
    """

    def __init__(self, size: int, mode: str = "symmetric", multiple: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.mode = check_choice("padding mode", mode, ("symmetric", "reflect", "edge", "zeros"))
        self.multiple = multiple

    def call(self, inputs, training=None):
        if training:
            self._check_patch(inputs.shape)
            return inputs
        if self.mode == "zeros":
            sides = [(self.size, self._after(ops.shape(inputs)[axis])) for axis in (1, 2)]
            return ops.pad(inputs, [(0, 0), *sides, (0, 0)])
        return self._extend(self._extend(inputs, axis=1), axis=2)

    def _check_patch(self, shape):
        if any(length is not None and length <= 2 * self.size for length in shape[1:3]):
            raise InputError(
                f"Training crops {self.size} pixels from each side, which leaves nothing of a patch of {shape[1]} x "
                f"{shape[2]}. Choose a larger LR patch size."
            )

    def _extend(self, inputs, axis):
        # Gathers by index, because ops.pad can't mirror more pixels than the image has.
        length = ops.shape(inputs)[axis]
        index = ops.arange(-self.size, length + self._after(length), dtype="int32")
        return ops.take(inputs, inside(index, length, self.mode), axis=axis)

    def _after(self, length):
        return self.size + -(length + 2 * self.size) % self.multiple

    def compute_output_spec(self, inputs, training=None):
        batch, height, width, channels = inputs.shape
        if not training:
            height, width = (side and side + self.size + self._after(side) for side in (height, width))
        shape = (batch, height, width, channels)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"size": self.size, "mode": self.mode, "multiple": self.multiple}


@keras.saving.register_keras_serializable("wdsr_tf")
class PadToMultiple(layers.Layer):
    """Pads the bottom and right until height and width are multiples of `multiple`, in training too.

    `mode` is "edge" or "reflect", as in `InferencePad`.
    """

    def __init__(self, multiple: int, mode: str = "edge", **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple
        self.mode = check_choice("padding mode", mode, ("edge", "reflect"))

    def call(self, inputs):
        return self._extend(self._extend(inputs, axis=1), axis=2)

    def _extend(self, inputs, axis):
        length = ops.shape(inputs)[axis]
        index = ops.arange(length + -length % self.multiple, dtype="int32")
        return ops.take(inputs, inside(index, length, self.mode), axis=axis)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        padded = [length and length + -length % self.multiple for length in (height, width)]
        return (batch, *padded, channels)

    def get_config(self):
        return super().get_config() | {"multiple": self.multiple, "mode": self.mode}


def inside(index, length, mode):
    """Returns which of the positions 0..length - 1 fill the positions `index`; `mode` is as in `InferencePad`."""
    if mode == "edge":
        return ops.clip(index, 0, length - 1)
    repeat = mode == "symmetric"  # whether the edge itself is repeated
    period = ops.maximum(2 * length if repeat else 2 * length - 2, 1)
    index = index % period
    return ops.minimum(index, period - repeat - index)


@keras.saving.register_keras_serializable("wdsr_tf")
class CropToMatch(layers.Layer):
    """Takes `[x, like]` and crops the bottom and right of x to `scale` * (the size of `like` - 2 * `border`) + `keep`.

    At the end of an unpadded network, this undoes `PadToMultiple`.
    """

    def __init__(self, scale: int, border: int, keep: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.scale = scale
        self.border = border
        self.keep = keep

    def call(self, inputs):
        x, like = inputs
        height, width = (self.scale * (length - 2 * self.border) + self.keep for length in ops.shape(like)[1:3])
        return x[:, :height, :width]

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), like = input_shape
        cropped = [length and self.scale * (length - 2 * self.border) + self.keep for length in like[1:3]]
        return (batch, *cropped, channels)

    def get_config(self):
        return super().get_config() | {"scale": self.scale, "border": self.border, "keep": self.keep}
