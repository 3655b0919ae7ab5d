import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.gmsd import gmsd

RNG = np.random.default_rng(0)
HR = RNG.integers(0, 256, (12, 14, 3), "uint8")
SR = np.clip(HR + RNG.normal(0, 20, HR.shape), 0, 255)


def test_gmsd_is_its_formula_pixel_by_pixel():
    def gradients(image):
        gray = np.round(np.rint(image) @ (0.299, 0.587, 0.114))
        half = np.zeros((8, 9))  # with zeros around
        for i in range(6):
            for j in range(7):
                half[i + 1, j + 1] = gray[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean()
        found = []
        for i in range(1, 7):
            for j in range(1, 8):
                window = half[i - 1 : i + 2, j - 1 : j + 2]
                x = (window[:, 2] - window[:, 0]).sum() / 3
                y = (window[2] - window[0]).sum() / 3
                found.append((x * x + y * y) ** 0.5)
        return np.array(found)

    one, other = gradients(HR), gradients(SR)
    similarity = (2 * one * other + 170) / (one**2 + other**2 + 170)
    assert gmsd(SR, HR) == pytest.approx(similarity.std(ddof=1), rel=1e-9)


def test_equal_images_have_no_deviation_and_more_noise_has_more():
    assert gmsd(HR, HR) == 0
    assert 0 < gmsd(SR, HR) < gmsd(np.clip(HR + 3 * (SR - HR), 0, 255), HR)


def test_images_of_odd_and_of_one_pixel_are_measured():
    assert gmsd(SR[:11, :13], HR[:11, :13]) > 0
    assert gmsd(SR[:1, :1], HR[:1, :1]) == 0
    with pytest.raises(InputError, match="different shapes"):
        gmsd(SR[:4], HR)
