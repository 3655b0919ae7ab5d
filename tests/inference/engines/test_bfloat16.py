"""bfloat16 in OpenVINO, on CPUs that multiply it."""

import importlib.util

import numpy as np
import pytest

from tests.helpers.engines import Fake
from wdsr_tf import images, weights
from wdsr_tf.inference import opened
from wdsr_tf.inference.engines import Choice, open_engine
from wdsr_tf.inference.strips import upscale
from wdsr_tf.inference.upscaler import Upscaler
from wdsr_tf.system import cpu

BUNDLED = weights.FOLDER / "wdsr-a-8-x2.onnx"
needs_bfloat16 = pytest.mark.skipif(
    not (cpu.multiplies_bfloat16() and importlib.util.find_spec("openvino")),
    reason="needs OpenVINO, and a CPU that multiplies bfloat16",
)


@pytest.fixture(scope="module")
def photo():
    return images.read("docs/photo.png")[:160, :200]


@needs_bfloat16
def test_tiles_equal_the_whole_within_a_level(photo):
    engine = open_engine(BUNDLED, "openvino", "bfloat16")
    whole, tiled = (images.to_uint8(upscale(engine, photo, tile=tile)) for tile in (None, 96))
    assert np.abs(whole.astype(int) - tiled).max() <= 1


@needs_bfloat16
def test_bfloat16_differs_from_float32_by_a_quarter_of_a_level(photo):
    """At a PSNR of 37 dB, where the mean squared error is 13, 0.25 levels cost 0.02 dB."""
    exact, rounded = (upscale(open_engine(BUNDLED, "openvino", each), photo) for each in ("float32", "bfloat16"))
    difference = np.sqrt(np.mean((exact - rounded) ** 2))
    assert 0.01 < difference < 0.3


@needs_bfloat16
def test_values_between_the_levels_cost_no_more(photo):
    """Frames of videos have them: OpenVINO subtracts the mean before it casts."""
    between = photo + np.random.default_rng(0).uniform(-0.5, 0.5, photo.shape).astype("float32")
    engines = [open_engine(BUNDLED, "openvino", each) for each in ("float32", "bfloat16")]
    whole, fractions = (
        np.sqrt(np.mean(np.square(np.subtract(*(upscale(engine, each) for engine in engines)))))
        for each in (photo, between)
    )
    assert fractions < 1.1 * whole


@pytest.fixture
def precisions(monkeypatch):
    """The precisions of engines that were opened; the choice is bfloat16, as on a CPU that multiplies it."""
    seen = []

    def open_one(model, *, precision, **options):
        seen.append(precision)
        return Fake().engine

    monkeypatch.setattr(opened, "open_engine", open_one)
    monkeypatch.setattr(opened, "choose", lambda *options: Choice("openvino", "bfloat16", "fast"))
    return seen


def test_images_of_more_than_8_bits_are_computed_in_float32(precisions):
    upscaler, rgb = Upscaler(BUNDLED), np.full((8, 8, 3), 200, "uint8")
    for values in (rgb, rgb.astype("uint16"), rgb / 255, rgb):
        upscaler.upscale(values)
    upscaler.upscale(rgb / 255, bits=8)  # a frame of a video
    assert precisions == ["bfloat16", "float32"]
    upscaler.upscale(rgb / 255, bits=10)
    assert precisions == ["bfloat16", "float32"]


def test_a_precision_that_was_requested_holds_for_all_images(precisions):
    Upscaler(BUNDLED, precision="bfloat16").upscale(np.zeros((8, 8, 3), "uint16"))
    assert precisions == ["bfloat16"]


def test_a_result_records_its_precision(precisions):
    automatic, requested = (Upscaler(BUNDLED, precision=each).recipe_of(8, 8)[1] for each in ("auto", "bfloat16"))
    assert automatic["engines"] == ["openvino bfloat16 (float32 above 8 bits)"]
    assert requested["engines"] == ["openvino bfloat16"]


def test_the_log_says_what_was_chosen_and_why(precisions):
    lines = []
    Upscaler(BUNDLED, log=lines.append).upscale(np.zeros((8, 8, 3), "uint16"))
    assert lines == ["wdsr-a-8-x2.onnx: fake x2, keras, float32: images of more than 8 bits"]
