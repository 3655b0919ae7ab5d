"""Folding into plain convolutions, transferring weights between networks, and data-dependent initialization."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from wdsr_tf.layers import ReparameterizedConv2D, WeightNormConv2D
from wdsr_tf.models.carn import Upsampler
from wdsr_tf.models.registry import SRModel, create_model

PLAIN = {"weight_norm": False, "branches": False, "reparameterize": None}  # hyperparameters of plain convolutions


def is_plain(hyperparameters: Mapping[str, Any]) -> bool:
    """Whether a network with these hyperparameters has plain convolutions already, so that `fold` changes nothing."""
    return not any(hyperparameters.get(name) for name in PLAIN)


def fold(model: SRModel) -> SRModel:
    """Returns a network of plain convolutions with the same output as the weight-normalized or reparameterized `model`.

    A model of plain convolutions is copied.
    """
    plain = {name: value for name, value in PLAIN.items() if name in model.hyperparameters}
    folded = create_model(**model.recipe | plain)
    folded.facts = dict(model.facts)
    transfer(model, folded)
    return folded


def transfer(source: keras.Model, target: keras.Model) -> tuple[list[str], list[str]]:
    """Copies the weights of layers whose names and shapes match, and converts between weight-normalized and plain ones.

    Layers that depend on the scale have it in their names, so a x4 network starts from all other layers of a x2
    network. CARN's upsampler for one scale takes its part of one for all scales.

    Returns:
        The names of the target's layers that were copied, and of those that keep their fresh weights.
    """
    sources = {layer.name: layer for layer in source.layers if layer.weights}
    copied, fresh = [], []
    for layer in target.layers:
        if not layer.weights:
            continue
        weights = _converted(sources[layer.name], layer) if layer.name in sources else []
        fits = [w.shape for w in weights] == [tuple(w.shape) for w in layer.weights]
        if fits:
            layer.set_weights(weights)
        (copied if fits else fresh).append(layer.name)
    return copied, fresh


def _converted(source, target):
    weights = source.get_weights()
    if isinstance(source, Upsampler) and isinstance(target, Upsampler) and source.multi_scale > target.multi_scale:
        return [weight for layer in source.of(target.scale) for weight in layer.get_weights()]
    if isinstance(source, ReparameterizedConv2D) and isinstance(target, layers.Conv2D):
        return [ops.convert_to_numpy(part) for part in source.fused()]
    if isinstance(source, WeightNormConv2D) and isinstance(target, layers.Conv2D):
        return [ops.convert_to_numpy(source.kernel), weights[2]]
    if isinstance(source, layers.Conv2D) and isinstance(target, WeightNormConv2D):
        kernel, bias = weights
        return [np.sqrt(np.square(kernel).sum(axis=(0, 1, 2))), kernel, bias]
    return weights


def initialize_from_data(model: keras.Model, lr: np.ndarray) -> None:
    """Scales each weight-normalized convolution so that its outputs on a batch have mean 0 and deviation 1.

    Salimans and Kingma, 2016, section 3. Layers are initialized in order, each on the outputs of the layers before it
    as already initialized.

    Args:
        model: changed in place.
        lr: a batch of LR images (N, H, W, 3) in 0..255.
    """
    for layer in model.layers:
        if isinstance(layer, WeightNormConv2D):
            out = ops.convert_to_numpy(keras.Model(model.inputs[0], layer.output)(lr, training=True)).astype("float64")
            mean, deviation = out.mean(axis=(0, 1, 2)), np.sqrt(out.var(axis=(0, 1, 2)) + 1e-10)
            g, v, bias = layer.get_weights()
            layer.set_weights([g / deviation, v, (bias - mean) / deviation])
