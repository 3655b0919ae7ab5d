import itertools
import math

import numpy as np
import pytest

from wdsr_tf.data.div2k import folder_pairs, load
from wdsr_tf.errors import InputError
from wdsr_tf.images.resize import imresize, imresize_rows

FLOAT32 = 3e-6  # the reference floats (0..1) were computed in float32, ours in float64


def definition(image, scale, out, antialias=True, edges="mirror"):
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
            inside = tap if edges == "mirror" else min(max(tap, 1), length)
            while not 1 <= inside <= length:
                inside = 1 - inside if inside < 1 else 2 * length + 1 - inside
            result[x - 1] += weight * image[inside - 1]
            total += weight
        result[x - 1] /= total
    return result


@pytest.mark.parametrize("name, images_per_scale", [("Set5", 5), ("Set14", 14)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lr_files_of_the_benchmarks_are_reproduced_bit_for_bit(reference, name, images_per_scale, scale):
    pairs = folder_pairs(*[reference / "images" / "benchmark" / name] * 2, scale)
    assert len(pairs) == images_per_scale
    for pair in pairs:
        np.testing.assert_array_equal(imresize(load(pair.hr), 1 / scale, edges="repeat"), load(pair.lr), pair.name)


def test_uint8_is_rounded_and_clipped_after_each_pass():
    image = np.array(
        [
            [0, 255, 0, 9, 200, 3],
            [255, 0, 255, 40, 0, 255],
            [12, 80, 255, 0, 255, 0],
            [0, 255, 0, 255, 77, 128],
            [90, 3, 255, 250, 0, 31],
            [255, 255, 0, 0, 64, 255],
        ],
        "uint8",
    )
    # Rounded once, two values of each would differ; columns first, two or three would.
    assert imresize(image, 1 / 2).tolist() == [[122, 80, 101], [77, 159, 101], [164, 100, 110]]
    assert imresize(image, 1 / 2, edges="repeat").tolist() == [[125, 82, 103], [81, 159, 104], [155, 109, 100]]


@pytest.mark.parametrize("edges", ["mirror", "repeat"])
@pytest.mark.parametrize("size", [(15, 8), (11, 12), (20, 6), (45, 40)])
def test_the_dimension_that_shrinks_more_is_resized_and_rounded_first(size, edges):
    image = np.random.default_rng(0).integers(0, 256, (31, 20), "uint8")
    scales = [out / length for out, length in zip(size, image.shape, strict=True)]
    expected = image
    for axis in (0, 1) if scales[0] <= scales[1] else (1, 0):
        turned = np.moveaxis(expected.astype("float64"), axis, 0)
        passed = definition(turned, scales[axis], size[axis], edges=edges)
        expected = np.moveaxis(np.clip(np.floor(passed + 0.5), 0, 255), 0, axis)
    np.testing.assert_array_equal(imresize(image, size=size, edges=edges), expected)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_rows_rounded_once_equal_the_reference_in_every_pixel(golden, scale):
    arrays, _ = golden("imresize")
    lr, up = arrays[f"lr_x{scale}_u8"], arrays[f"up_x{scale}_u8"]
    np.testing.assert_array_equal(imresize_rows(arrays["hr_u8"], lr.shape[:2], 0, len(lr)), lr)
    np.testing.assert_array_equal(imresize_rows(lr, up.shape[:2], 0, len(up)), up)


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


@pytest.mark.parametrize(
    "arguments", [{}, {"scale": 2, "size": (4, 4)}, {"size": (0, 4)}, {"scale": 2, "edges": "reflect"}]
)
def test_invalid_arguments_are_rejected(arguments):
    with pytest.raises(InputError):
        imresize(np.zeros((4, 4)), **arguments)


@pytest.mark.parametrize("shape", [(0, 4, 3), (4,), (1, 4, 4, 3)])
def test_array_that_is_not_an_image_is_rejected(shape):
    with pytest.raises(InputError, match="shape"):
        imresize(np.zeros(shape), 2)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("size", [(62, 40), (93, 60), (50, 31), (11, 7), (31, 20)])
def test_rows_equal_those_of_the_full_result_rounded_once(dtype, size):
    image = np.random.default_rng(0).uniform(0, 1 if dtype == "float32" else 255, (31, 20, 3)).astype(dtype)
    cuts = sorted({0, 1, 5, size[0] // 2, size[0] - 1, size[0]})
    parts = [imresize_rows(image, size, top, bottom) for top, bottom in itertools.pairwise(cuts)]
    full = imresize(image.astype("float64"), size=size)
    if dtype != "float32":
        full = np.clip(np.floor(full + (0.5 + 1e-9)), 0, np.iinfo(dtype).max)
    np.testing.assert_array_equal(np.concatenate(parts), full.astype(dtype))
