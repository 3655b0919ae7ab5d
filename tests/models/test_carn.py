import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, nhwc
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers import carn
from wdsr_tf.models import create_model, transfer

SMALL = {"num_filters": 8}


@pytest.mark.parametrize(
    "name, counts, multi_scale",
    [
        ("carn", (964_163, 1_148_803, 1_111_875), False),
        ("carn", (1_591_939,) * 3, True),
        ("carn-m", (257_027, 303_427, 294_147), False),
        ("carn-m", (414_787,) * 3, True),
    ],
)
def test_parameter_counts_equal_the_published_ones(name, counts, multi_scale):
    built = [create_model(name, scale, multi_scale=multi_scale) for scale in (2, 3, 4)]
    assert tuple(model.count_params() for model in built) == counts


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_carn_equals_the_reference_output(golden, scale):
    arrays, _ = golden(f"carn_x{scale}")
    model = golden_model(arrays, carn.official, "carn", scale)
    assert_equals_golden(model(255 * nhwc(arrays["input"])) / 255, nhwc(arrays["output"]))


def test_carn_m_equals_the_reference_output(golden):
    arrays, _ = golden("carn_m_g2_x4")
    model = golden_model(arrays, carn.official, "carn-m", 4, groups=2)
    assert_equals_golden(model(255 * nhwc(arrays["input"])) / 255, nhwc(arrays["output"]))


@pytest.mark.parametrize("multi_scale", [False, True])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_published_weights_reproduce_the_published_output_at_every_scale(golden, scale, multi_scale):
    arrays, _ = golden("carn_m_published")
    model = golden_model(arrays, carn.official, "carn-m", scale, multi_scale=multi_scale)
    assert_equals_golden(model(255 * nhwc(arrays["input"])) / 255, nhwc(arrays[f"output_x{scale}"]))
    assert_equals_golden(model(arrays["real_input_u8"][None]) / 255, nhwc(arrays[f"real_output_x{scale}"]))


def test_published_weights_reproduce_the_published_bytes(golden):
    arrays, _ = golden("carn_m_published")
    model = golden_model(arrays, carn.official, "carn-m", 2, multi_scale=True)
    sr = np.clip(np.asarray(model(arrays["real_input_u8"][None])[0]), 0, 255).astype("uint8")  # their code truncates
    # Values within rounding error of an integer may be truncated either way.
    assert np.abs(sr.astype(int) - arrays["real_output_x2_u8"]).max() <= 1
    assert np.mean(sr != arrays["real_output_x2_u8"]) < 1e-3
    assert np.array_equal(arrays["output"], arrays["output_x4"])


@pytest.mark.parametrize("name", ["carn", "carn-m"])
def test_one_multi_scale_file_fits_every_scale(name, tmp_path):
    lr = np.random.default_rng(0).uniform(0, 255, (1, 5, 4, 3)).astype("float32")
    x2 = create_model(name, 2, multi_scale=True, **SMALL)
    x3 = create_model(name, 3, multi_scale=True, **SMALL)
    x3.set_weights(x2.get_weights())
    checkpoint.save(x2, tmp_path / "x2.keras")
    loaded = create_model(name, 3, multi_scale=True, **SMALL)
    _, fresh = transfer(checkpoint.load(tmp_path / "x2.keras"), loaded)
    assert fresh == []
    np.testing.assert_array_equal(loaded(lr), x3(lr))
    assert loaded(lr).shape == (1, 15, 12, 3)


@pytest.mark.filterwarnings("error:Gradients do not exist")
def test_a_training_step_changes_the_upsampler_of_its_scale_only():
    model = create_model("carn-m", 3, multi_scale=True, **SMALL)
    model.compile("adam", "mae", run_eagerly=True)
    before = model.get_layer("upsampler").get_weights()
    lr, hr = np.full((1, 6, 6, 3), 90.0), np.full((1, 18, 18, 3), 200.0)
    model.train_on_batch(lr, hr)
    changed = [
        not np.array_equal(a, b) for a, b in zip(before, model.get_layer("upsampler").get_weights(), strict=True)
    ]
    assert changed == [False, False, True, True, False, False, False, False]


def test_the_units_of_a_carn_m_block_share_their_weights():
    names = [layer.name for layer in create_model("carn-m", 2, **SMALL).layers if "conv" in layer.name]
    assert len(names) == 9


def test_filters_must_be_divisible_by_groups():
    with pytest.raises(InputError, match="10 isn't divisible into 4 groups"):
        create_model("carn-m", 2, num_filters=10)
