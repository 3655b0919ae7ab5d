"""Perceptual losses: how far apart the features of HR and SR are in VGG-19.

    loss = sum over layers of weight * criterion(features of SR - features of HR)
           + style weight * the same of the layers' Gram matrices

    l1     mean of absolute differences
    l2     mean of squared differences
    fro    Frobenius norm of the difference of the whole batch, which grows with batch and patch

No gradient flows to HR. Everything is float32: the squares of differences exceed what float16 holds.

The weights of published runs belong to the features they were found with: SRGAN's to Caffe's, whose files Keras
publishes, ESRGAN's and Real-ESRGAN's to torchvision's. With the other file a term has another size; compare `terms` of
both on the pretrained generator, or choose the weight anew.
"""

import dataclasses
from collections.abc import Mapping

from keras import ops

from wdsr_tf.errors import InputError, check_choice
from wdsr_tf.losses.vgg import Features, VGGWeights


@dataclasses.dataclass(frozen=True)
class Preset:
    """What a published run compares.

    Args:
        layers: {layer of VGG-19: weight}; conv is before the activation, relu after it.
        criterion: A key of CRITERIA.
        source: Whose weights of VGG-19 the layers' weights were chosen for.
    """

    layers: Mapping[str, float]
    criterion: str
    source: str


_SRGAN_SCALE = 1 / 12.75  # of features
PERCEPTUAL_LAYERS = {
    # VGG54: Ledig et al., CVPR 2017, https://arxiv.org/abs/1609.04802; as krasserm/super-resolution trains it.
    "srgan": Preset({"relu5_4": _SRGAN_SCALE**2}, "l2", "keras"),
    # VGG22 of the same paper: less texture, closer to the pixels.
    "srgan-vgg22": Preset({"relu2_2": _SRGAN_SCALE**2}, "l2", "keras"),
    # Wang et al., ECCV Workshops 2018, https://arxiv.org/abs/1809.00219.
    "esrgan": Preset({"conv5_4": 1.0}, "l1", "torchvision"),
    # Wang et al., ICCV Workshops 2021, https://arxiv.org/abs/2107.10833; BSRGAN and LDL compare the same.
    "real-esrgan": Preset(
        {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}, "l1", "torchvision"
    ),
}


class PerceptualLoss:
    """Compares the features of HR and SR; RGB in 0..255 to a float32 scalar.

    Args:
        weights: The weights of VGG-19; `wdsr_tf.importers.vgg.find_weights` returns them.
        layers: {layer: weight}, or the name of a preset, which also chooses the criterion.
        criterion: A key of CRITERIA. Default: the preset's, or l1.
        style_weight: The weight of the same losses of Gram matrices. No published run that is a preset uses them.

    Raises:
        InputError: A name is unknown, or no layer is given.
    """

    def __init__(
        self,
        weights: VGGWeights,
        layers: Mapping[str, float] | str,
        criterion: str | None = None,
        style_weight: float = 0.0,
    ):
        if isinstance(layers, str):
            preset = PERCEPTUAL_LAYERS[check_choice("perceptual loss", layers, PERCEPTUAL_LAYERS)]
            layers, criterion = preset.layers, criterion or preset.criterion
        if not layers:
            raise InputError("A perceptual loss needs a layer of VGG-19 to compare, such as conv5_4; none is given.")
        self.layers = dict(layers)
        self.criterion = check_choice("criterion", criterion or "l1", CRITERIA)
        self.style_weight = style_weight
        self.features = Features(weights, self.layers)

    def __call__(self, hr, sr):
        """Returns the loss of a batch, without a weight of its own."""
        return sum(self.terms(hr, sr).values())

    def terms(self, hr, sr) -> dict:
        """Returns what the loss adds up: {layer: its term}, and "style" if it has a weight."""
        distance = CRITERIA[self.criterion]
        targets = {layer: ops.stop_gradient(target) for layer, target in self.features(hr).items()}
        pairs = {layer: (features, targets[layer]) for layer, features in self.features(sr).items()}
        terms = {layer: weight * distance(*pairs[layer]) for layer, weight in self.layers.items()}
        if self.style_weight:
            styles = (weight * distance(*map(gram, pairs[layer])) for layer, weight in self.layers.items())
            terms["style"] = self.style_weight * sum(styles)
        return terms


def gram(features):
    """Returns F^T F / (channels * height * width) for features F of (positions, channels) of each image."""
    _, height, width, channels = ops.shape(features)
    positions = ops.reshape(features, (-1, height * width, channels))
    return ops.matmul(ops.transpose(positions, (0, 2, 1)), positions) / ops.cast(channels * height * width, "float32")


def _frobenius(a, b):
    # The derivative of the square root at 0 is infinite; below the bound there is no gradient.
    return ops.sqrt(ops.maximum(ops.sum(ops.square(a - b)), 1e-24))


CRITERIA = {
    "l1": lambda a, b: ops.mean(ops.abs(a - b)),
    "l2": lambda a, b: ops.mean(ops.square(a - b)),
    "fro": _frobenius,
}
