import itertools
import math

import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize, imresize_rows

FLOAT32 = 3e-6  # the reference floats (0..1) were computed in float32, ours in float64


def definition(image, scale, out, antialias=True):
    """One axis of MATLAB's imresize, tap by tap by its definition (1-based), for a 2-D image."""
    length = image.shape[0]
    stretch = min(scale, 1.0) if antialias else 1.0
    result = np.zeros((out, image.shape[1]))
    for x in range(1, out + 1):
        u = x / scale + 0.5 * (1 - 1 / scale)
        first = math.floor(u - 2 / stretch)
        total = 0.0
        for tap in range(first, first + math.ceil(4 / stretch) + 2):
            t = abs(stretch * (u - tap))
            weight = 1.5 * t**3 - 2.5 * t**2 + 1 if t <= 1 else -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t <= 2 else 0.0
            mirrored = tap
            while not 1 <= mirrored <= length:
                mirrored = 1 - mirrored if mirrored < 1 else 2 * length + 1 - mirrored
            result[x - 1] += weight * image[mirrored - 1]
            total += weight
        result[x - 1] /= total
    return result


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_uint8_equals_the_reference_in_every_pixel(golden, scale):
    arrays, _ = golden("imresize")
    lr = imresize(arrays["hr_u8"], 1 / scale)
    np.testing.assert_array_equal(lr, arrays[f"lr_x{scale}_u8"])
    np.testing.assert_array_equal(imresize(lr, scale), arrays[f"up_x{scale}_u8"])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_floats_equal_the_reference_unclipped(golden, scale):
    arrays, _ = golden("imresize")
    np.testing.assert_allclose(imresize(arrays["hr_u8"] / 255, 1 / scale), arrays[f"lr_x{scale}"], atol=FLOAT32)
    lr = arrays[f"lr_x{scale}_u8"] / 255
    np.testing.assert_allclose(imresize(lr, scale), arrays[f"up_x{scale}"], atol=FLOAT32)


def test_antialiasing_can_be_turned_off(golden):
    arrays, _ = golden("imresize")
    lr = imresize(arrays["hr_u8"] / 255, 1 / 2, antialias=False)
    np.testing.assert_allclose(lr, arrays["matlab_noaa_x2"], atol=FLOAT32)


@pytest.mark.parametrize(
    "shape, scale, antialias",
    [
        ((150, 140), 1 / 2, True),
        ((31, 17), 1 / 3, True),
        ((31, 17), 0.4, False),
        ((70, 9), 2, True),
        ((3, 2), 1 / 4, True),
    ],
)
def test_imresize_equals_its_definition_tap_by_tap(shape, scale, antialias):
    image = np.random.default_rng(0).uniform(0, 255, shape)
    height, width = (math.ceil(length * scale) for length in shape)
    slow = definition(definition(image, scale, height, antialias).T, scale, width, antialias).T
    np.testing.assert_allclose(imresize(image, scale, antialias=antialias), slow, atol=1e-9)  # both in float64


def test_halving_an_impulse_gives_the_stretched_cubic():
    impulse = np.zeros((24, 1))
    impulse[12] = 1
    weights = [-0.01171875, 0.11328125, 0.43359375, -0.03515625]  # k(t) = cubic(t / 2) / 2 at t = 3.5, 1.5, 0.5, 2.5
    assert imresize(impulse, size=(12, 1))[4:8, 0].tolist() == weights


def test_halves_are_rounded_up_and_values_are_clipped():
    impulse = np.zeros((24, 1), "uint8")
    impulse[12] = 64  # 64 * 0.11328125 = 7.25, 64 * 0.43359375 = 27.75
    assert imresize(impulse, size=(12, 1))[4:8, 0].tolist() == [0, 7, 28, 0]
    pair = np.array([[0], [0], [1], [1]], "uint8")
    assert imresize(pair, size=(2, 1)).dtype == "uint8"
    checks = (np.indices((12, 12)).sum(axis=0) % 2).astype("uint8")
    assert (imresize(checks, 1 / 2)[2:-2, 2:-2] == 1).all()  # exactly 0.5 wherever no tap crosses the edge


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_type_is_kept_and_a_flat_image_stays_flat(dtype):
    flat = np.full((7, 5, 2), 201, dtype)
    large = imresize(flat, 3)
    assert large.dtype == dtype and large.shape == (21, 15, 2)
    np.testing.assert_allclose(large, 201, rtol=1e-6)


def test_sizes_are_rounded_up_except_for_float_noise():
    assert imresize(np.zeros((35, 36)), 0.2).shape == (7, 8)
    assert imresize(np.zeros((1, 1, 3)), 1 / 4).shape == (1, 1, 3)


@pytest.mark.parametrize("arguments", [{}, {"scale": 2, "size": (4, 4)}, {"size": (0, 4)}])
def test_invalid_target_size_is_rejected(arguments):
    with pytest.raises(InputError):
        imresize(np.zeros((4, 4)), **arguments)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4,), (1, 4, 4, 3)])
def test_array_that_is_not_an_image_is_rejected(shape):
    with pytest.raises(InputError, match="shape"):
        imresize(np.zeros(shape), 2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("size", [(62, 40), (93, 60), (50, 31), (11, 7), (31, 20)])
def test_rows_equal_those_of_the_full_result_bit_for_bit(dtype, size):
    image = np.random.default_rng(0).uniform(0, 1 if dtype == "float32" else 255, (31, 20, 3)).astype(dtype)
    cuts = sorted({0, 1, 5, size[0] // 2, size[0] - 1, size[0]})
    parts = [imresize_rows(image, size, top, bottom) for top, bottom in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), imresize(image, size=size))
