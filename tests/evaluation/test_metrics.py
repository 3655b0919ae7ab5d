import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.metrics import PROTOCOLS, ms_ssim, protocol_names, psnr, similarities, ssim
from wdsr_tf.images import rgb_to_y, to_uint8

RNG = np.random.default_rng(0)
HR = RNG.integers(0, 256, (40, 30, 3), dtype="uint8")
SR = np.clip(HR + RNG.normal(0, 20, HR.shape), 0, 255)

# The reference figures of luma were computed from luma in float32, those of RGB in float64, as here.
FLOAT32_LUMA = 1e-6


@pytest.mark.parametrize("border", [0, 2, 3, 4, 8, 10])
def test_values_are_the_published_ones(golden, border):
    arrays, facts = golden("metrics")
    values = facts["values"]
    for channels, view, tolerance in (("rgb", np.asarray, 1e-9), ("y", rgb_to_y, FLOAT32_LUMA)):
        pair = view(arrays["sr_u8"]), view(arrays["hr_u8"])
        assert psnr(*pair, border) == pytest.approx(values[f"psnr_border{border}_{channels}"], abs=tolerance)
        assert ssim(*pair, border) == pytest.approx(values[f"ssim_border{border}_{channels}"], abs=tolerance)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_protocols_are_the_published_ones(golden, scale):
    arrays, facts = golden("metrics")
    for protocol, key in (("ntire", f"edsr_div2k_rgb_x{scale}"), ("paper", f"edsr_benchmark_y_x{scale}")):
        measured, _ = PROTOCOLS[protocol].measure(arrays["sr_u8"], arrays["hr_u8"], scale)
        assert measured == pytest.approx(facts["values"][key], abs=FLOAT32_LUMA)  # EDSR measures in float32


def test_values_equal_those_of_tensorflow_in_krasserm_wdsr(golden):
    arrays, facts = golden("metrics")
    values, pair = facts["values"], (arrays["big_sr_u8"], arrays["big_hr_u8"])
    assert psnr(*pair) == pytest.approx(values["seed_psnr_0_1_full_rgb (200x192 pair)"], abs=2e-6)
    # krasserm/wdsr computes variances on 0..1 in float32, as differences of squares: C2 is 9e-4, so 1e-7 of noise in
    # them shows in the fifth digit. The same formula in float32 is as far from float64.
    assert ssim(*pair) == pytest.approx(values["seed_ssim (200x192 pair)"], abs=3e-5)
    assert ms_ssim(*pair) == pytest.approx(values["seed_msssim (200x192 pair)"], abs=3e-5)


def test_psnr_is_its_formula():
    assert psnr(np.full((4, 4), 105), np.full((4, 4), 100)) == pytest.approx(20 * np.log10(255 / 5))
    assert psnr(HR, HR) == float("inf")


def test_uint8_does_not_wrap_around():
    assert psnr(np.full((2, 2), 1, "uint8"), np.full((2, 2), 2, "uint8")) == pytest.approx(20 * np.log10(255))


def test_ssim_is_its_formula_pixel_by_pixel():
    x, y = HR[..., 0].astype(float), SR[..., 0]
    offsets = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    window = np.outer(offsets, offsets) / offsets.sum() ** 2
    values = []
    for top in range(30):
        for left in range(20):
            a, b = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            numerator = (2 * mean_a * mean_b + 6.5025) * (2 * covariance + 58.5225)
            values.append(numerator / (mean_a**2 + mean_b**2 + 6.5025) / (variance_a + variance_b + 58.5225))
    assert ssim(x, y) == pytest.approx(np.mean(values), abs=1e-10)  # both are float64


def test_ssim_of_rgb_is_the_mean_over_channels_and_one_for_equal_images():
    assert ssim(SR, HR) == pytest.approx(np.mean([ssim(SR[..., c], HR[..., c]) for c in range(3)]))
    assert ssim(HR, HR) == pytest.approx(1) and ms_ssim(HR, HR) == pytest.approx(1)


def test_small_images_have_an_ssim_and_tiny_ones_no_ms_ssim():
    assert 0 < ssim(SR[:5, :7], HR[:5, :7]) < 1
    with pytest.raises(InputError, match="too few"):
        ms_ssim(SR[:15], HR[:15])


@pytest.mark.parametrize("name, scale, side, border", [("ntire", 2, 16, 8), ("paper", 4, 8, 4)])
def test_an_image_within_a_protocols_border_is_refused_with_the_way_out(name, scale, side, border):
    protocol = PROTOCOLS[name]
    protocol.measure(SR[: side + 1, : side + 1], HR[: side + 1, : side + 1], scale)
    message = (
        f"{side} x 20 pixels are too few for the protocol '{name}', which leaves out {border} on each side. Choose"
    )
    with pytest.raises(InputError, match=message):
        protocol.measure_all(SR[:side, :20], HR[:side, :20], scale)


def test_similarities_returns_ssim_and_ms_ssim():
    assert similarities(SR, HR, 3) == (ssim(SR, HR, 3), ms_ssim(SR, HR, 3))
    whole, tiny = similarities(SR[:15], HR[:15])
    assert whole == ssim(SR[:15], HR[:15]) and np.isnan(tiny)


def test_a_protocol_measures_all_figures_on_the_same_pair():
    sr, hr = (np.tile(picture, (2, 2, 1)) for picture in (SR, HR))  # larger than the widest border
    for protocol in PROTOCOLS.values():
        *both, third = protocol.measure_all(sr[:, :-2], hr, 2)
        assert tuple(both) == protocol.measure(sr[:, :-2], hr, 2)
        assert 0 < third < 1


def test_a_gray_image_is_its_own_luma_by_the_papers_convention():
    gray = np.repeat(HR[..., :1], 3, axis=-1)
    sr = np.repeat(SR[..., :1], 3, axis=-1)
    expected = psnr(to_uint8(SR[..., 0]), HR[..., 0], 2)
    assert PROTOCOLS["paper-gray"].measure(sr, gray, 2)[0] == pytest.approx(expected)
    converted = 20 * np.log10(255 / (235 - 16))  # Y of gray has a smaller range, so its errors look smaller
    assert PROTOCOLS["paper"].measure(sr, gray, 2)[0] == pytest.approx(expected + converted)
    assert PROTOCOLS["paper-gray"].measure(SR, HR, 2) == PROTOCOLS["paper"].measure(SR, HR, 2)  # in color


def test_ms_ssim_of_opposites_is_a_number():
    assert ms_ssim(HR, 255 - HR) == 0


def test_a_border_leaves_out_each_side():
    spoilt = SR.copy()
    spoilt[:2], spoilt[-2:], spoilt[:, :2], spoilt[:, -2:] = 0, 0, 0, 0
    assert psnr(spoilt, HR, 2) == psnr(SR[2:-2, 2:-2], HR[2:-2, 2:-2])
    assert ssim(spoilt, HR, 2) == ssim(SR[2:-2, 2:-2], HR[2:-2, 2:-2])


def test_the_krasserm_protocol_neither_clips_nor_rounds_and_the_others_do():
    sr = HR + np.where(HR == 255, 40.0, 0.4)
    krasserm, ntire = (PROTOCOLS[name].measure(sr, HR, 2)[0] for name in ("krasserm", "ntire"))
    assert krasserm == psnr(sr, HR) < float("inf") and ntire == float("inf")


def test_hr_is_cropped_to_sr_at_the_right_and_bottom():
    for protocol in PROTOCOLS.values():
        assert protocol.measure(SR[:-1, :-3], HR, 2) == protocol.measure(SR[:-1, :-3], HR[:-1, :-3], 2)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_images_that_cannot_be_compared_are_refused(name):
    measure = PROTOCOLS[name].measure
    with pytest.raises(InputError, match="more than HR"):
        measure(SR, HR[:-1], 2)
    with pytest.raises(InputError, match="finite"):
        measure(np.where(SR > 250, np.nan, SR), HR, 2)
    with pytest.raises(InputError, match="different shapes"):
        psnr(SR, HR[1:])
    with pytest.raises(InputError, match="border"):
        psnr(SR, HR, 15)


def test_protocols_are_chosen_by_one_name_several_or_all():
    assert protocol_names("paper") == protocol_names(["paper", "paper"]) == ["paper"]
    assert protocol_names(("ntire", "krasserm")) == ["ntire", "krasserm"]
    assert protocol_names("all") == protocol_names(["all"]) == ["krasserm", "ntire", "paper"]
    with pytest.raises(InputError, match=r"Unknown protocol 'papr'\. Did you mean 'paper'\? Choose from krasserm, "):
        protocol_names(["papr"])
    with pytest.raises(InputError, match="No protocol"):
        protocol_names([])
