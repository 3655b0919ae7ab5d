"""Recomputing changes what a training step stores, and nothing else."""

import keras
import numpy as np
import pytest

from wdsr_tf import checkpoint
from wdsr_tf.models import create_model, get_architecture, list_models
from wdsr_tf.training import trainer
from wdsr_tf.training.optimizers import create_optimizer
from wdsr_tf.training.rematerialize import cheapest_cuts, rematerialize

BATCH_NORM = ("drrn", 2, {"num_filters": 4, "num_units": 4, "batch_norm": True})
DROPOUT = ("dcscn", 2, {"num_filters": 8, "min_filters": 4, "num_layers": 6, "nin_filters": 4, "nin_filters_2": 4})
AUXILIARY = ("cunet", 1, {"auxiliary": True})
WEIGHT_NORM = ("wdsr-a", 2, {"num_filters": 4, "num_res_blocks": 4, "weight_norm": True})
GATES = ("espcn-7", 2, {"num_filters": 4, "selection_unit": "gate"})


def network(name, scale, hyperparameters, *, recompute, optimizer="sgd"):
    """The compiled network, always with the same weights."""
    keras.utils.set_random_seed(3)
    model = create_model(name, scale, **hyperparameters)
    if recompute:
        assert rematerialize(model) > 1
    trainer.compile_model(model, create_optimizer(optimizer, 1e-3), "mae")
    return model


def batch(model, seed=0):
    size = 64 if model.architecture == "cunet" else 12
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (2, side, side, 3), dtype="uint8") for side in (size, model.scale * size)]


def state(model):
    """What a training step changes: weights, batch normalization statistics, states of random generators."""
    return [keras.ops.convert_to_numpy(variable) for variable in model.variables]


def assert_equal_steps(ours, theirs, before):
    """The steps changed the same, except for the order in which float32 adds up gradients."""
    for a, b, start in zip(state(ours), state(theirs), before, strict=True):
        assert not np.array_equal(b, start)
        assert np.abs(a - b).max() <= 1e-4 * np.abs(b - start).max() + 1e-7


def slow(recipe, name):
    return pytest.param(recipe, id=name, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    "recipe",
    [
        slow(BATCH_NORM, "batch-norm-in-shared-layers"),
        pytest.param(DROPOUT, id="dropout"),
        pytest.param(WEIGHT_NORM, id="weight-norm"),
        slow(AUXILIARY, "auxiliary-output"),
        slow(GATES, "gates"),
    ],
)
def test_two_training_steps_are_the_same_with_and_without(recipe):
    plain, recomputed = (network(*recipe, recompute=recompute) for recompute in (False, True))
    before = state(plain)
    for seed in range(2):
        losses = [model.train_on_batch(*batch(model, seed), return_dict=True)["loss"] for model in (plain, recomputed)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert_equal_steps(recomputed, plain, before)


@pytest.mark.parametrize("recipe", [pytest.param(WEIGHT_NORM, id="weight-norm"), slow(BATCH_NORM, "batch-norm")])
def test_half_precision_stays_finite_and_layers_keep_their_float32(policy, recipe):
    policy("mixed_float16")
    plain, recomputed = (network(*recipe, recompute=recompute) for recompute in (False, True))
    losses = [model.train_on_batch(*batch(model), return_dict=True)["loss"] for model in (plain, recomputed)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)  # a tail in half precision would show in the fourth digit
    assert all(np.isfinite(value).all() for value in state(recomputed))


@pytest.mark.parametrize(
    "recipe",
    [pytest.param(WEIGHT_NORM, id="weight-norm"), slow(BATCH_NORM, "batch-norm"), slow(AUXILIARY, "auxiliary-output")],
)
def test_a_checkpoint_is_that_of_the_plain_network_and_training_continues_from_it(recipe, tmp_path):
    plain, first, second = (network(*recipe, recompute=recompute) for recompute in (False, True, True))
    first.train_on_batch(*batch(first, 0))
    checkpoint.save(first, tmp_path / "state.keras")
    assert [layer.name for layer in first.layers] == [layer.name for layer in plain.layers]
    assert checkpoint.load(tmp_path / "state.keras").recipe == plain.recipe
    for model in (plain, second):
        trainer.restore(model, tmp_path / "state.keras")
    before = state(first)
    for model in (plain, first, second):
        model.train_on_batch(*batch(model, 1))
    assert_equal_steps(second, first, before)
    assert_equal_steps(plain, first, before)


def test_inference_does_not_change():
    plain, recomputed = (network(*BATCH_NORM, recompute=recompute) for recompute in (False, True))
    lr = batch(plain)[0]
    np.testing.assert_array_equal(plain.predict_on_batch(lr), recomputed.predict_on_batch(lr))


@pytest.mark.slow
@pytest.mark.parametrize("name", list_models())
def test_every_network_can_be_cut(name):
    assert rematerialize(create_model(name, get_architecture(name).scales[0])) >= 1


def test_a_chain_is_cut_into_ever_shorter_segments_and_its_peak_falls_to_a_root():
    count = 200
    cuts = cheapest_cuts([1] * count, range(1, count + 1))
    lengths = np.diff(cuts)
    assert (np.diff(lengths[:-1]) <= 0).all()
    peaks = [stored + length for stored, length in enumerate(lengths)]
    assert max(peaks) == 20  # 19 + 18 + ... + 1 is too short for 200, 20 + 19 + ... + 1 is not


def test_cuts_avoid_large_tensors():
    sizes, last_use = [1, 9, 1, 9, 1, 9, 1, 9], [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(sizes[cut - 1] == 1 for cut in cheapest_cuts(sizes, last_use)[1:-1])


def test_a_tensor_that_all_later_nodes_read_is_stored_once():
    sizes, last_use = [10] + [1] * 60, [60, *range(2, 61), 61]
    assert len(cheapest_cuts(sizes, last_use)) > 5


def test_a_network_that_stores_little_is_not_cut():
    assert cheapest_cuts([1, 1], [1, 2]) == [0, 2]
