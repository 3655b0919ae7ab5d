"""Features of VGG-19, which perceptual losses compare.

Simonyan and Zisserman, ICLR 2015, https://arxiv.org/abs/1409.1556: 16 convolutions of 3 x 3 in five blocks, each with a
ReLU, and 2 x 2 max pooling after each block. `convB_N` is what convolution N of block B returns, `reluB_N` the same
after the ReLU. Keras's own VGG19 has the ReLU inside its convolutions, so its `block5_conv4` is relu5_4; ESRGAN
compares conv5_4.

Two sets of weights are in use. Each was trained with its own normalization and works only with that: torchvision's on
RGB in 0..1 with ImageNet's mean and standard deviation, and Keras's, which are the authors' (Caffe), on BGR in 0..255
minus the mean. `wdsr_tf.importers.vgg` reads both.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import keras
import numpy as np
from keras import ops

from wdsr_tf.errors import InputError, check_choice

BLOCKS = (2, 2, 4, 4, 4)  # convolutions
CONVOLUTIONS = tuple(f"{block}_{number}" for block, count in enumerate(BLOCKS, 1) for number in range(1, count + 1))
LAYERS = tuple(f"{kind}{name}" for name in CONVOLUTIONS for kind in ("conv", "relu"))
WIDTHS = tuple(width for count, width in zip(BLOCKS, (64, 128, 256, 512, 512), strict=True) for _ in range(count))
SHAPES = tuple((3, 3, before, width) for before, width in zip((3, *WIDTHS), WIDTHS, strict=False))  # of the kernels

NORMALIZATIONS = {  # name: (reverses colors, subtracts, divides by), of values in 0..255
    "torchvision": (False, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "caffe": (True, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0)),
    "none": (False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)),
}


@dataclasses.dataclass(frozen=True, eq=False)
class VGGWeights:
    """The weights of the 16 convolutions, and where they are from.

    Args:
        kernels: Arrays (3, 3, in, out). Published files have SHAPES; features are computed with any width.
        biases: Arrays (out,).
        normalization: What these weights expect of their input; a key of NORMALIZATIONS.
        source: Who trained them: "torchvision", "keras", ...
        file: The name of the file.
        sha256: Its hash.
    """

    kernels: Sequence[np.ndarray]
    biases: Sequence[np.ndarray]
    normalization: str
    source: str = ""
    file: str = ""
    sha256: str = ""

    def __post_init__(self):
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        if not len(self.kernels) == len(self.biases) == len(CONVOLUTIONS):
            raise InputError(
                f"VGG-19 has {len(CONVOLUTIONS)} convolutions; "
                f"{len(self.kernels)} kernels and {len(self.biases)} biases are given."
            )

    def facts(self) -> dict[str, str]:
        """Returns what a checkpoint records, so that it says which features its loss compared."""
        return {"source": self.source, "file": self.file, "sha256": self.sha256, "normalization": self.normalization}


class Features:
    """VGG-19 as a frozen function of images, in float32 whatever the dtype policy.

    Its weights are variables that belong to no layer: no optimizer trains them, no checkpoint holds them, and on
    several devices each has a copy.

    Args:
        weights: The weights.
        layers: The layers whose features a call returns, of LAYERS. Nothing after the deepest one is computed.
    """

    def __init__(self, weights: VGGWeights, layers: Iterable[str]):
        self.layers = tuple(check_choice("layer of VGG-19", layer, LAYERS) for layer in layers)
        self.normalization = weights.normalization
        depth = max((LAYERS.index(layer) // 2 + 1 for layer in self.layers), default=0)
        pairs = zip(CONVOLUTIONS, weights.kernels[:depth], weights.biases[:depth], strict=False)
        self._convolutions = [(name, _frozen(kernel), _frozen(bias)) for name, kernel, bias in pairs]

    @property
    def variables(self) -> list:
        """The weights that calls read."""
        return [variable for _, *both in self._convolutions for variable in both]

    def __call__(self, images) -> dict:
        """Returns {layer: its features} of RGB images in 0..255.

        Raises:
            InputError: The images are so small that pooling leaves nothing.
        """
        x = normalized(images, self.normalization)
        self._check_size(x)
        features = {}
        for name, kernel, bias in self._convolutions:
            if name.endswith("_1") and name != "1_1":
                x = ops.max_pool(x, 2, strides=2, padding="valid")  # drops the last row or column of an odd size
            x = features[f"conv{name}"] = ops.conv(x, kernel.value, padding="same") + bias.value
            x = features[f"relu{name}"] = ops.relu(x)
        return {layer: features[layer] for layer in self.layers}

    def _check_size(self, images):
        least = 2 ** (int(self._convolutions[-1][0][0]) - 1) if self._convolutions else 1
        height, width = images.shape[1:3]
        if min(height or least, width or least) < least:
            raise InputError(
                f"Images of {height} x {width} pixels are too small for {', '.join(self.layers)} of VGG-19, which "
                f"needs {least} x {least}. Train with larger patches, or compare earlier layers."
            )


def normalized(images, normalization: str):
    """Returns RGB images in 0..255 as float32 in the range and the order of colors that the weights expect."""
    is_reversed, mean, std = NORMALIZATIONS[normalization]
    images = ops.cast(images, "float32")
    images = ops.flip(images, axis=-1) if is_reversed else images
    return (images - np.array(mean, "float32")) / np.array(std, "float32")


def _frozen(array):
    return keras.Variable(np.asarray(array, "float32"), trainable=False, dtype="float32", autocast=False)
