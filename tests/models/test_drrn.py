import keras
import numpy as np
import pytest

from tests.helpers.networks import assert_equals_golden, golden_model, luma_core, nhwc
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.metrics import PROTOCOLS
from wdsr_tf.importers import drrn
from wdsr_tf.importers.tensors import assign
from wdsr_tf.inference.strips import upscale
from wdsr_tf.models import create_model

SMALL = {"num_filters": 4, "num_units": 2}


@pytest.mark.parametrize("blocks, units, count", [(1, 9, 297_216), (1, 25, 297_216), (3, 6, 1_181_952)])
def test_parameter_counts_equal_the_published_ones(blocks, units, count):
    assert create_model("drrn", 3, num_res_blocks=blocks, num_units=units).count_params() == count


@pytest.mark.parametrize("inplace, output", [(False, "output"), (True, "output_inplace")])
@pytest.mark.parametrize("blocks, units, filters", [(1, 9, 128), (1, 25, 32), (2, 3, 16)])
def test_drrn_equals_the_reference_output(golden, blocks, units, filters, inplace, output):
    arrays, _ = golden(f"drrn_b{blocks}u{units}f{filters}")
    how = {"num_filters": filters, "num_res_blocks": blocks, "num_units": units, "inplace": inplace}
    model = golden_model(arrays, drrn.blocks, "drrn", 2, **how)
    assert_equals_golden(luma_core(model, "luma")(nhwc(arrays["input"])), nhwc(arrays[output]))


def test_units_share_convolutions_but_not_batch_statistics():
    plain, normalized = (create_model("drrn", 2, batch_norm=batch_norm, **SMALL) for batch_norm in (False, True))
    norms = [layer for layer in normalized.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 1 + 2 * 2 + 1  # entry, two in each unit, tail
    assert normalized.count_params() == plain.count_params() + 4 * (1 + 4 * 4 + 4)


def test_a_training_step_changes_every_weight():
    model = create_model("drrn", 2, batch_norm=True, **SMALL)
    model.compile(keras.optimizers.SGD(1e-4), "mse")
    before = {weight.path: np.asarray(weight) for weight in model.trainable_weights}
    rng = np.random.default_rng(0)
    model.train_on_batch(rng.uniform(0, 255, (2, 6, 5, 3)), rng.uniform(0, 255, (2, 12, 10, 3)))
    assert [w.path for w in model.trainable_weights if np.array_equal(w, before[w.path])] == []


def test_inplace_with_batch_normalization_is_refused():
    with pytest.raises(InputError, match="without batch normalization"):
        create_model("drrn", 2, batch_norm=True, inplace=True)


@pytest.mark.slow
@pytest.mark.parametrize("number, published", [(2, 37.27), (3, 30.42), (4, 34.07), (5, 32.75)])
def test_published_weights_reach_their_published_psnr_on_set5(reference, number, published):
    with np.load(reference / "weights" / "drrn_b1u25.npz") as arrays:
        tensors = dict(arrays)
    model = create_model("drrn", 3, inplace=True)
    assign(model, tensors, drrn.one_block)
    pair = reference / "images" / "benchmark" / "Set5" / "image_SRF_3"
    lr, hr = (images.read(pair / f"img_00{number}_SRF_3_{side}.png") for side in ("LR", "HR"))
    psnr, _ = PROTOCOLS["paper"].measure(upscale(model, lr), hr, 3)
    assert psnr == pytest.approx(published, abs=0.02)  # measured with other interpolation and rounding of luma
