"""Weights on the move: folded, handed from one network to another, started from data."""

import keras
import numpy as np
from keras import layers, ops

from wdsr_tf.layers import BranchedConv2D, WeightNormConv2D
from wdsr_tf.models.registry import create_model


def fold(model):
    """A network of plain convolutions with the same output as `model`, which may be weight-normalized or branched.

    A model of plain convolutions comes back as an equal copy.
    """
    recipe = model.recipe
    recipe |= {name: False for name in ("weight_norm", "branches") if name in recipe}
    plain = create_model(**recipe)
    plain.facts = dict(model.facts)
    transfer(model, plain)
    return plain


def transfer(source, target):
    """Copies weights layer by layer where name and shape agree; returns the names (taken, fresh).

    Between a weight-normalized and a plain convolution the kernel is converted. So a x4 network starts from a x2
    network: all but the layers that are named after their scale.
    """
    given = {layer.name: layer for layer in source.layers if layer.weights}
    taken, fresh = [], []
    for layer in target.layers:
        if not layer.weights:
            continue
        weights = _converted(given[layer.name], layer) if layer.name in given else []
        fits = [w.shape for w in weights] == [tuple(w.shape) for w in layer.weights]
        if fits:
            layer.set_weights(weights)
        (taken if fits else fresh).append(layer.name)
    return taken, fresh


def _converted(source, target):
    weights = source.get_weights()
    if isinstance(source, BranchedConv2D) and isinstance(target, layers.Conv2D):
        return [ops.convert_to_numpy(part) for part in source.fused()]
    if isinstance(source, WeightNormConv2D) and isinstance(target, layers.Conv2D):
        return [ops.convert_to_numpy(source.kernel), weights[2]]
    if isinstance(source, layers.Conv2D) and isinstance(target, WeightNormConv2D):
        kernel, bias = weights
        return [np.sqrt(np.square(kernel).sum(axis=(0, 1, 2))), kernel, bias]
    return weights


def initialize_from_data(model, lr):
    """Scales each weight-normalized convolution so that its outputs on the batch `lr` have mean 0 and deviation 1.

    Salimans and Kingma, 2016, section 3. Layers are visited in the graph's order, so that later ones see what earlier
    ones have become.
    """
    for layer in model.layers:
        if isinstance(layer, WeightNormConv2D):
            out = ops.convert_to_numpy(keras.Model(model.inputs[0], layer.output)(lr, training=True)).astype("float64")
            mean, deviation = out.mean(axis=(0, 1, 2)), np.sqrt(out.var(axis=(0, 1, 2)) + 1e-10)
            g, v, bias = layer.get_weights()
            layer.set_weights([g / deviation, v, (bias - mean) / deviation])
