from pathlib import Path

import numpy as np
import pytest

from wdsr_tf.data.degrade import operations

OPENCV = Path(__file__).parent / "opencv.npz"  # a random image, and what OpenCV 5.0 makes of it


@pytest.fixture(scope="module")
def opencv():
    with np.load(OPENCV) as arrays:
        return {name: array.transpose(2, 0, 1) if array.ndim == 3 else array for name, array in arrays.items()}


def image(height=40, width=44, seed=0):
    return np.random.default_rng(seed).uniform(size=(3, height, width)).astype("float32")


@pytest.mark.parametrize("output, kernel", [("output", "kernels21"), ("output7", "kernels7")])
def test_blur_equals_the_reference(golden, output, kernel):
    arrays, _ = golden("gan/filter2d")
    for i, (original, blurred) in enumerate(zip(arrays["input"], arrays[output], strict=True)):
        # rounding of float32 in the Fourier transform
        np.testing.assert_allclose(operations.blur(original, arrays[kernel][i]), blurred, rtol=0, atol=3e-6)
    if kernel == "kernels7":
        shared = operations.blur(arrays["input"][1], arrays[kernel][0])
        np.testing.assert_allclose(shared, arrays["output7_shared"][1], rtol=0, atol=3e-6)


def test_blur_equals_opencv(opencv):
    blurred = operations.blur(opencv["image"], opencv["kernel"])
    np.testing.assert_allclose(blurred, opencv["filtered"], rtol=0, atol=1e-6)


def test_blur_of_an_image_smaller_than_the_kernel_keeps_constants():
    flat = np.full((3, 4, 5), 0.25, "float32")
    np.testing.assert_allclose(operations.blur(flat, np.full((21, 21), 1 / 441)), flat, atol=1e-6)


def test_resizing_equals_the_reference(golden):
    arrays, _ = golden("gan/degradation_resize")
    original = arrays.pop("input")[0]
    for name, expected in arrays.items():
        kind, mode, value = name.split("/")
        if kind == "sf":
            resized = operations.rescale(original, float(value), mode)
        else:
            resized = operations.resize(original, tuple(map(int, value.split("x"))), mode)
        np.testing.assert_allclose(resized, expected[0], rtol=0, atol=2e-6, err_msg=name)


def test_resizing_equals_opencv(opencv):
    names = [name for name in opencv if "/" in name]
    assert len(names) == 12
    for name in names:
        mode, _, size = name.partition("/")
        resized = operations.resize(opencv["image"], tuple(map(int, size.split("x"))), mode)
        np.testing.assert_allclose(resized, opencv[name], rtol=0, atol=1e-6, err_msg=name)


def test_sharpening_equals_the_reference(golden):
    arrays, _ = golden("gan/usm_sharp")
    original = arrays["input"][0]
    np.testing.assert_allclose(operations.sharpen(original), arrays["output"][0], rtol=0, atol=5e-6)
    stronger = operations.sharpen(original, weight=1, threshold=5)
    np.testing.assert_allclose(stronger, arrays["output_weight1_thr5"][0], rtol=0, atol=5e-6)


def test_gaussian_noise_has_the_deviation_asked_for():
    flat = np.full((3, 200, 200), 0.5, "float32")
    noise = operations.add_gaussian_noise(flat, 12, False, np.random.default_rng(1)) - flat
    assert noise.std() * 255 == pytest.approx(12, rel=0.02)  # 120,000 draws: a standard error of 0.2 %
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.03


def test_poisson_noise_has_the_references_variance(golden):
    arrays, _ = golden("gan/poisson_gaussian_noise")
    levels = arrays["grey_levels"]
    # All 256 levels occur in the image, so that its noise is that of a photograph.
    every = np.tile(np.arange(256, dtype="float32") / 255, (3, 1, 1))
    for i, level in enumerate(levels):
        if 40 <= level <= 215:  # beyond, noise is clipped
            flat = np.full((3, 160, 256), level / 255, "float32")
            noisy = operations.add_poisson_noise(np.concatenate([flat, every], 1), 1, False, np.random.default_rng(i))
            variance = (noisy[:, :160] - flat).var()
            # 122,880 draws: a standard error of 0.4 %; float32 and rounding to 8 bits add little
            assert variance == pytest.approx(arrays["poisson_expected_var_256"][i], rel=0.03), level


def test_poisson_noise_counts_the_levels_of_the_image():
    """Two levels make `levels` 2, so noise is 128 times as strong as for 256."""
    halves = np.full((3, 100, 200), 0.5, "float32")
    halves[..., 100:] = 0.4
    noisy = operations.add_poisson_noise(halves, 0.05, False, np.random.default_rng(0))
    expected = 0.05**2 * np.rint(0.5 * 255) / 255 / 2
    assert (noisy - halves)[..., :100].var() == pytest.approx(expected, rel=0.05)  # 30,000 draws: 0.8 %


@pytest.mark.parametrize("add", [operations.add_gaussian_noise, operations.add_poisson_noise])
def test_gray_noise_is_the_same_in_all_channels(add):
    flat = np.full((3, 30, 30), 0.5, "float32")
    noise = add(flat, 1, True, np.random.default_rng(0)) - flat
    assert noise.std() > 0 and np.array_equal(noise[0], noise[1]) and np.array_equal(noise[0], noise[2])


def test_pixels_are_rounded_and_clipped():
    planes = np.float32([-0.1, 0.4999 / 255, 0.5001 / 255, 1.2]).reshape(1, 1, 4).repeat(3, 0)
    assert operations.pixels(planes)[0, :, 0].tolist() == [0, 0, 1, 255]
    assert np.array_equal(
        operations.pixels(operations.planes(np.arange(48, dtype="uint8").reshape(4, 4, 3))).ravel(), range(48)
    )
