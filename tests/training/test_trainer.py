"""What `fit` counts, saves and resumes, with a network of a few weights."""

import keras
import numpy as np
import pytest

from wdsr_tf import checkpoint
from wdsr_tf.models import create_model
from wdsr_tf.training import trainer
from wdsr_tf.training.callbacks import NotFiniteError
from wdsr_tf.training.optimizers import create_optimizer
from wdsr_tf.training.run import Run
from wdsr_tf.training.validation import Crops

PLAN = {"epochs": 1, "steps_per_epoch": 10, "batch_size": 2, "log": lambda line: None}


def network():
    keras.utils.set_random_seed(0)
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1, variant="official")
    trainer.compile_model(model, create_optimizer("adam", 1e-3), "mae")
    return model


def batch(i):
    random = np.random.default_rng(i)
    return tuple(random.integers(0, 256, (2, side, side, 3)).astype("float32") for side in (6, 12))


def batches(first=0, spoilt=lambda i: False):
    """Endless batches from number `first` on; `spoilt` ones have an LR of NaN.

    Not an HR: on JAX, the gradient of |x| at NaN is finite, so a loss of NaN wouldn't reach the weights.
    """
    i = first
    while True:
        lr, hr = batch(i)
        yield lr * (np.float32("nan") if spoilt(i) else 1), hr
        i += 1


class Validation(keras.utils.PyDataset):
    num_batches = 3

    def __getitem__(self, i):
        return tuple(x.astype("uint8") for x in batch(1000 + i))


def numbers(model):
    """All variables of the model and its optimizer."""
    return list(map(keras.ops.convert_to_numpy, [*model.variables, *model.optimizer.variables]))


@pytest.mark.parametrize("first, epochs", [(0, 10), (17, 10), (43, 20)])
def test_fifty_consecutive_steps_with_a_loss_of_nan_end_the_run_and_the_first_of_them_is_named(tmp_path, first, epochs):
    run, plan = Run.start(tmp_path, []), PLAN | {"epochs": epochs}
    with pytest.raises(NotFiniteError) as caught:
        trainer.fit(network(), run, batches(spoilt=lambda i: i >= first), Crops(Validation()), **plan)
    seen = -(-(first + 50) // 10) * 10  # it checks every ten steps
    assert f"not been finite for {seen - first} steps, since step {first + 1}." in str(caught.value)


def test_a_finite_loss_restarts_the_count(tmp_path, policy):
    policy("mixed_float16")  # whose loss scaling skips broken steps
    run, plan = Run.start(tmp_path, []), PLAN | {"epochs": 10}
    trainer.fit(network(), run, batches(spoilt=lambda i: i % 40), Crops(Validation()), **plan)


def test_the_loss_scale_is_resumed_to_the_last_bit(tmp_path, policy):
    policy("mixed_float16")
    spoilt = {3, 13}.__contains__  # which halve the loss scale, in either half of the training

    whole = network()
    trainer.fit(whole, Run.start(tmp_path, []), batches(0, spoilt), Crops(Validation()), **PLAN | {"epochs": 2})

    run = Run.start(tmp_path, [])
    trainer.fit(network(), run, batches(0, spoilt), Crops(Validation()), **PLAN)
    resumed = network()
    facts = trainer.restore(resumed, run.state)
    assert float(whole.optimizer.dynamic_scale) < float(resumed.optimizer.dynamic_scale) < 2**15
    more = {"initial_epoch": facts["epoch"], "rows": facts["history"]}
    trainer.fit(resumed, run, batches(10, spoilt), Crops(Validation()), **PLAN | {"epochs": 2} | more)
    for ours, theirs in zip(numbers(resumed), numbers(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_checkpoint_of_averaged_weights_is_trained_on_from_its_raw_weights(tmp_path):
    def averaging():
        keras.utils.set_random_seed(0)
        model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1, variant="official")
        trainer.compile_model(model, create_optimizer("adam", 1e-2, ema_momentum=0.9), "mae")
        return model

    run, raw, resumed = Run.start(tmp_path, []), averaging(), averaging()
    trainer.fit(averaging(), run, batches(), Crops(Validation()), **PLAN)
    (averaged,) = run.models.glob("*-ema.keras")
    trainer.restore(raw, run.state)
    assert trainer.restore(resumed, averaged)["ema"]
    for ours, theirs in zip(numbers(resumed), numbers(raw), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(checkpoint.load(averaged).get_weights()[0], raw.get_weights()[0])


@pytest.mark.parametrize("steps", [1, 12])
def test_a_run_that_ends_before_its_loss_is_finite_fails(tmp_path, steps):
    run, plan = Run.start(tmp_path, []), PLAN | {"steps_per_epoch": steps}
    with pytest.raises(NotFiniteError, match=r"The last epoch's PSNR isn't finite\. Try a lower learning_rate"):
        trainer.fit(network(), run, batches(spoilt=lambda i: True), Crops(Validation()), **plan)


def test_a_checkpoint_records_its_epochs_and_its_steps(tmp_path):
    run = Run.start(tmp_path, [])
    model = network()
    trainer.fit(model, run, batches(), Crops(Validation()), **PLAN)
    more = {"epochs": 3, "steps_per_epoch": 4, "initial_epoch": 1, "initial_step": 10, "rows": run.facts()["history"]}
    trainer.fit(model, run, batches(10), Crops(Validation()), **PLAN | more)
    facts = run.facts()
    assert (facts["epoch"], facts["steps"], facts["steps_per_epoch"]) == (3, 18, 4)
