"""Runs tensorflow-addons: python tests/models/tfa_oracle.py FOLDER, in the environment that `make test-tfa` creates.

Writes, for tests/models/test_tfa.py:
    small.npz, large.npz            single layers: weights, input, output, and the gradients of a squared error
    wdsr_b.h5, wdsr_b.weights.h5    a small WDSR-B's weights in both layouts of Keras 2
    wdsr_b.npz                      its input and output

and prints the errors of its weight normalization in half precision. tests/data/weightnorm_tfa.npz is a copy of
small.npz.
"""

import os
import re
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
import tensorflow_addons as tfa

# name -> kernel size, channels in, filters, padding, (batch, height, width)
SMALL = {
    "3x3": (3, 2, 4, "same", (1, 6, 5)),
    "3x3_valid": (3, 3, 2, "valid", (2, 4, 5)),
    "1x1": (1, 4, 6, "same", (1, 3, 4)),
}
LARGE = {
    "head": (3, 3, 32, "valid", (2, 24, 20)),
    "expand_a": (3, 32, 128, "same", (2, 16, 18)),
    "expand_b": (1, 32, 192, "same", (2, 24, 20)),
    "low_rank": (1, 192, 25, "same", (2, 24, 20)),
    "skip": (5, 3, 12, "valid", (4, 24, 20)),
}


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2)
    for name, cases in (("small", SMALL), ("large", LARGE)):
        answers = {f"{case}/{key}": array for case in cases for key, array in layer_answers(rng, *cases[case]).items()}
        np.savez_compressed(folder / f"{name}.npz", **answers)
    write_network(rng, folder)
    print(f"tensorflow-addons {tfa.__version__}, TensorFlow {tf.__version__}, Keras {keras.__version__}")
    print_half_precision(rng)


def layer_answers(rng, kernel_size, channels, filters, padding, shape):
    """Returns input, output and gradients of one layer with random g, v and bias."""
    layer = preset_layer(rng, kernel_size, channels, filters, padding)
    x = tf.constant(normal(rng, *shape, channels))
    target = normal(rng, *layer(x).shape)
    variables = {"g": layer.g, "v": layer.v, "bias": layer.layer.bias}
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
        loss = tf.reduce_mean(tf.square(y - target))
    gradients = tape.gradient(loss, {"x": x, **variables})
    return {
        "x": x.numpy(),
        "y": y.numpy(),
        "target": target,
        "padding": np.array(padding),
        **{name: variable.numpy() for name, variable in variables.items()},
        **{f"gradient_{name}": gradient.numpy() for name, gradient in gradients.items()},
    }


def preset_layer(rng, kernel_size, channels, filters, padding, size=0.1):
    """A weight-normalized convolution, v uniform in +-size, g in 0.5 to 2."""
    layer = weight_norm(filters, kernel_size, padding)
    layer.build((None, None, None, channels))
    layer._initialized.assign(True)  # else the first call overwrites g
    layer.g.assign(rng.uniform(0.5, 2, filters))
    layer.v.assign(rng.uniform(-size, size, layer.v.shape))
    layer.layer.bias.assign(rng.uniform(-0.5, 0.5, filters))
    return layer


def weight_norm(filters, kernel_size, padding="same", **more):
    convolution = tf.keras.layers.Conv2D(filters, kernel_size, padding=padding, **more)
    return tfa.layers.WeightNormalization(convolution, data_init=False)


def normal(rng, *shape):
    return rng.standard_normal(shape).astype("float32")


def write_network(rng, folder):
    """WDSR-B x2, 2 blocks, 8 filters, zero padding, DIV2K's mean, with gains and biases other than the initial ones."""
    mean = 255 * np.array([0.4488, 0.4371, 0.4040], "float32")
    lr = tf.keras.Input((None, None, 3))
    normalized = (lr - mean) / 127.5
    x = weight_norm(8, 3)(normalized)
    for _ in range(2):
        branch = weight_norm(48, 1, activation="relu")(x)
        branch = weight_norm(6, 1)(branch)
        x = x + weight_norm(8, 3)(branch)
    x = tf.nn.depth_to_space(weight_norm(12, 3)(x), 2)
    skip = tf.nn.depth_to_space(weight_norm(12, 5)(normalized), 2)
    model = tf.keras.Model(lr, (x + skip) * 127.5 + mean)

    x = rng.uniform(0, 255, (2, 12, 10, 3)).astype("float32")
    model(x)  # the first call sets g to ||v||
    for layer in model.layers:
        if isinstance(layer, tfa.layers.WeightNormalization):
            layer.g.assign(layer.g * rng.uniform(0.7, 1.4, layer.g.shape))
            layer.layer.bias.assign(rng.uniform(-0.1, 0.1, layer.layer.bias.shape))
    model.save_weights(folder / "wdsr_b.h5")
    model.save_weights(folder / "wdsr_b.weights.h5")
    np.savez(folder / "wdsr_b.npz", x=x, y=model(x).numpy())


def print_half_precision(rng):
    """Prints the table of docs/design.md on tensorflow-addons under mixed_float16."""
    tf.get_logger().setLevel("ERROR")
    policy = tf.keras.mixed_precision.set_global_policy
    x = tf.constant(normal(rng, 2, 24, 24, 32))

    policy("mixed_float16")
    preset = preset_layer(rng, 3, 32, 32, "same")
    attempts = {
        "a fresh layer": lambda: weight_norm(32, 3)(x),
        "a preset layer in tf.function": lambda: tf.function(preset)(x),
        "a preset layer in a functional model": lambda: preset(tf.keras.Input((None, None, 32))),
    }
    for what, attempt in attempts.items():
        try:
            attempt()
            print(f"mixed_float16, {what}: works")
        except (ValueError, TypeError) as error:
            reason = re.search("Tensor conversion requested[^:]*", str(error))
            print(f"mixed_float16, {what}: {type(error).__name__}: {reason[0] if reason else error}")

    print("mixed_float16, a preset 3x3 layer of 32 channels, called eagerly:")
    for size in (1e-1, 1e-2, 1e-3, 5e-4, 3e-4, 2e-4, 1e-4, 30):
        outputs = {}
        for precision in ("float32", "mixed_float16"):
            policy(precision)
            outputs[precision] = preset_layer(np.random.default_rng(7), 3, 32, 32, "same", size)(x).numpy()
        exact, half = outputs["float32"], outputs["mixed_float16"].astype("float32")
        wrong = np.sqrt(np.sum((half - exact) ** 2) / np.sum(exact**2))
        print(f"  v within +-{size:g}: " + ("NaN" if np.isnan(half).any() else f"wrong by {wrong:.2%}"))
    policy("float32")


if __name__ == "__main__":
    main(sys.argv[1])
