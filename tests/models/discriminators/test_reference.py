"""Discriminators against the outputs, the gradients and the state after training that the reference projects have."""

import keras
import numpy as np
import pytest

from tests.helpers.gradients import squared_error_gradients
from tests.helpers.networks import assert_equals_golden, nhwc
from wdsr_tf.importers import discriminators
from wdsr_tf.importers.export_weights import recorded
from wdsr_tf.importers.tensors import assign
from wdsr_tf.models.discriminators import create_discriminator


def imported(arrays, name, layout, **hyperparameters):
    """Returns the discriminator with the weights `w/...` of a reference file."""
    model = create_discriminator(name, **hyperparameters)
    assign(model, {key[2:]: array for key, array in arrays.items() if key.startswith("w/")}, layout)
    return model


def images(arrays):
    """The reference's input, of 0..1 and NCHW, as ours."""
    return nhwc(arrays["input"]) * np.float32(255)


def krasserm(tensors, model):
    """krasserm's layers in order."""
    weights = {f"conv_{i}": [tensors.take(f"conv{i}/{part}") for part in ("kernel", "bias")] for i in range(8)}
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    weights |= {f"norm_{i + 1}": [tensors.take(f"bn{i}/{part}") for part in parts] for i in range(7)}
    for i, ours in enumerate(("dense_0", "logits")):
        weights[ours] = [tensors.take(f"dense{i}/{part}") for part in ("kernel", "bias")]
    return weights


@pytest.fixture(scope="module")
def unet(golden):
    return golden("gan/unet_discriminator_sn")[0]


def test_the_unet_equals_the_reference_in_inference_and_in_two_calls_in_training(unet):
    model = imported(unet, "unet-sn", discriminators.unet, num_filters=8)
    assert_equals_golden(model(images(unet)), nhwc(unet["output"]))
    assert_equals_golden(model(images(unet), training=True), nhwc(unet["output_training"]))
    state = recorded(discriminators.unet, model)
    expected = {key[6:]: array for key, array in unet.items() if key.startswith("after/")}
    assert len(expected) == 16
    for name, array in expected.items():
        np.testing.assert_allclose(state[name], array, rtol=0, atol=2e-6, err_msg=name)
    assert_equals_golden(model(images(unet), training=True), nhwc(unet["output_training2"]))


def test_the_unet_has_the_gradients_of_the_reference(unet):
    model = imported(unet, "unet-sn", discriminators.unet, num_filters=8)
    _, *gradients = squared_error_gradients(model, images(unet), 0.0, training=True)
    found = {weight.path: gradient for weight, gradient in zip(model.trainable_weights, gradients, strict=True)}
    for theirs, ours in {
        "conv0.weight": "conv_0/kernel",
        "conv1.weight_orig": "conv_1/kernel",
        "conv8.weight_orig": "conv_8/kernel",
    }.items():
        assert_equals_golden(found[ours], unet[f"grad/{theirs}"].transpose(2, 3, 1, 0))
    assert_equals_golden(found["logits/bias"], unet["grad/conv9.bias"])


def test_esrgans_equals_the_reference_in_inference_and_training_and_in_its_running_statistics(golden):
    arrays, _ = golden("gan/vgg_discriminator")
    model = imported(arrays, "vgg-128", discriminators.vgg, num_filters=2)
    assert_equals_golden(model(images(arrays)), arrays["output"])
    assert_equals_golden(model(images(arrays), training=True), arrays["output_training"])
    state = recorded(discriminators.vgg, model)
    expected = {key[6:]: array for key, array in arrays.items() if key.startswith("after/")}
    assert len(expected) == 18
    for name, array in expected.items():
        np.testing.assert_allclose(state[name], array, rtol=2e-6, atol=2e-6 * np.abs(array).max(), err_msg=name)


def test_srgans_equals_the_reference_before_its_sigmoid(golden):
    arrays, _ = golden("gan/srgan_discriminator")
    model = imported(arrays, "srgan", krasserm, num_filters=2, num_units=16)
    assert_equals_golden(keras.ops.sigmoid(model(arrays["input"])), arrays["output"])
    assert_equals_golden(keras.ops.sigmoid(model(arrays["input"], training=True)), arrays["output_training"])
    for i in range(7):
        _, _, mean, variance = model.get_layer(f"norm_{i + 1}").get_weights()
        assert_equals_golden(mean, arrays[f"after/bn{i}/moving_mean"])
        assert_equals_golden(variance, arrays[f"after/bn{i}/moving_variance"])
