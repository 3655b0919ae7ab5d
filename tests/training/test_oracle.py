"""A training with an oracle measures each patch, sees hard images more often, and resumes to the bit."""

import keras
import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from tests.helpers.runs import numbers, write_dataset
from wdsr_tf.data import feed
from wdsr_tf.data.sampler import Sampler
from wdsr_tf.data.sources import Pairs
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model
from wdsr_tf.models.registry import center_crop
from wdsr_tf.training import callbacks, trainer
from wdsr_tf.training.config import MOST_HARD, TrainingConfig
from wdsr_tf.training.optimizers import create_optimizer
from wdsr_tf.training.oracle import Oracle, PatchErrors
from wdsr_tf.training.run import Run, check_facts
from wdsr_tf.training.train import dry_run, train

SMALL = {
    "model": "wdsr-a",
    "num_filters": 4,
    "num_res_blocks": 1,
    "scale": 2,
    "steps_per_epoch": 3,
    "validation": "crops",
    "validation_steps": 5,  # more than an epoch has, and they mustn't count as hard
    "batch_size": 4,
    "lr_patch_size": 12,
    "oracle_rate": 0.25,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("toy"))


def assert_equal(run, other, tmp_path):
    ours, theirs = (numbers(each.state, tmp_path) for each in (run, other))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []
    assert run.history == other.history
    assert run.facts()["oracle"] == other.facts()["oracle"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({}, id="pairs"),
        pytest.param({"degrade": "waifu2x-pytorch,level=1", "precision": "mixed_bfloat16", "ema": 0.9}, id="degrade"),
        pytest.param({"adversarial": "vanilla", "discriminator_filters": 4}, id="adversarial", marks=pytest.mark.slow),
    ],
)
def test_a_resumed_training_is_the_uninterrupted_one_to_the_last_bit(dataset, tmp_path, more, monkeypatch):
    settings = SMALL | more | {"dataset": dataset}
    whole = train(TrainingConfig(**settings, epochs=3, outdir=tmp_path / "whole"), log=None)
    assert len(whole.facts()["oracle"]) == 3
    config = TrainingConfig(**settings, epochs=3, outdir=tmp_path / "part")

    def interrupt(callback, batch, logs=None):
        if callback.steps_before + batch == 2 * 3 + 1:  # within the third epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.StopWhenNotFinite, "on_train_batch_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(config, log=None)
    assert Run.find(tmp_path / "part").facts()["epoch"] == 2
    assert_equal(train(config, resume=True, log=None), whole, tmp_path)


def test_a_published_checkpoint_continues_with_its_hard_patches(dataset, tmp_path):
    settings = SMALL | {"dataset": dataset}
    whole = train(TrainingConfig(**settings, epochs=2, outdir=tmp_path / "whole"), log=None)
    first = train(TrainingConfig(**settings, epochs=1, outdir=tmp_path / "first"), log=None)
    more = {"pretrained_model": first.best, "initial_epoch": 1, "epochs": 2, "outdir": tmp_path / "second"}
    second = train(TrainingConfig(**settings, **more), log=None)
    ours, theirs = numbers(second.state, tmp_path), numbers(whole.state, tmp_path)
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []
    assert second.facts()["oracle"] == whole.facts()["oracle"]


def test_epochs_may_get_shorter_and_the_oracle_may_be_turned_off(dataset, tmp_path):
    settings = SMALL | {"dataset": dataset, "outdir": tmp_path}
    train(TrainingConfig(**settings, epochs=1), log=None)
    run = train(TrainingConfig(**settings | {"steps_per_epoch": 2, "epochs": 2}), resume=True, log=None)
    assert run.facts()["steps"] == 5
    assert len(run.facts()["oracle"]) == 2 and max(run.facts()["oracle"]) < 20
    train(TrainingConfig(**settings | {"oracle_rate": 0.0, "epochs": 3}), resume=True, log=None)
    assert "oracle" not in run.facts()


def test_a_dry_run_needs_no_epoch(dataset):
    lines = []
    dry_run(TrainingConfig(**SMALL, dataset=dataset), log=lines.append)
    assert [line for line in lines if line.startswith("A step of 4 patches takes")]


def write_images(folder):
    """Seven flat images and, as number 0, one of noise; the color is about what a fresh WDSR network returns for it."""
    pairs, random = write_pairs(folder, count=8), np.random.default_rng(0)
    for number, pair in enumerate(pairs):
        hr = np.full((20, 26, 3), (114, 111, 103), "uint8")
        hr = hr if number else random.integers(0, 256, hr.shape, "uint8")
        np.save(pair.hr, hr)
        np.save(pair.lr, hr[::2, ::2])
    return pairs


def network():
    keras.utils.set_random_seed(0)
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1)
    trainer.compile_model(model, create_optimizer("sgd", 0.0), "mae")
    return model


class Epochs(keras.callbacks.Callback):
    """Collects the images and the errors of each epoch's patches."""

    def __init__(self, oracle):
        super().__init__()
        self.oracle, self.images, self.errors = oracle, [], []

    def on_epoch_begin(self, epoch, logs=None):
        sampler = self.oracle.sampler
        ks = range(sampler.first, sampler.first + sampler.steps)
        self.images.append([index for k in ks for index, *_ in sampler.choices(k)])

    def on_epoch_end(self, epoch, logs=None):
        self.errors.append(keras.ops.convert_to_numpy(self.oracle.errors.latest))
        assert "patch_errors" not in logs


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_every_patch_is_measured_and_hard_images_are_trained_more_often(tmp_path, precision, policy):
    policy(precision)
    model, sampler = network(), Sampler(Pairs(write_images(tmp_path), 2, lr_patch_size=8), batch_size=4, seed=1)
    oracle = Oracle(model, sampler, steps_per_epoch=10, rate=0.1, drop_rate=0.2)
    seen = Epochs(oracle)
    fitted = model.fit(feed.epoch(oracle.sampler), epochs=3, callbacks=[seen, oracle], verbose=0, shuffle=False)
    assert "patch_errors" not in fitted.history

    expected = []
    for k in range(10):
        lr, hr = sampler.batch(k)
        sr = keras.ops.convert_to_numpy(model(lr, training=True))  # smaller than HR
        error = np.clip(sr, 0, 255) - keras.ops.convert_to_numpy(center_crop(hr, sr))
        expected += np.square(error).mean(axis=(1, 2, 3)).tolist()
    np.testing.assert_allclose(seen.errors[0], expected, rtol=1e-2 if precision == "mixed_float16" else 1e-4)

    first, *later = (images.count(0) for images in seen.images)
    assert first == 5  # of 40 patches of eight images
    assert min(later) > 1.5 * first


def test_the_errors_are_those_of_the_first_output_and_of_the_latest_patches():
    random, errors = np.random.default_rng(0), PatchErrors(5)
    measuring = errors.watch(lambda x, y, y_pred, sample_weight: {"psnr": y.shape})
    expected = [0.0, 0.0, 0.0, 0.0, 0.0]
    for _ in range(4):
        hr = random.integers(0, 256, (2, 8, 8, 3)).astype("float32")
        sr = random.uniform(-100, 400, (2, 6, 6, 3)).astype("float32")
        assert measuring(None, hr, [sr, sr[:, 1:-1, 1:-1]]) == {"psnr": hr.shape}
        expected = [*expected[2:], *np.square(np.clip(sr, 0, 255) - hr[:, 1:-1, 1:-1]).mean(axis=(1, 2, 3))]
        np.testing.assert_allclose(keras.ops.convert_to_numpy(errors.latest), expected, rtol=1e-5)
    errors.reset_state()
    np.testing.assert_allclose(keras.ops.convert_to_numpy(errors.latest), expected, rtol=1e-5)
    assert errors.result() == {}


@pytest.mark.parametrize(
    "listed", [None, 7, "7", {"7": 7}, [1.5], [True], [-1], [2**53], [[7]], [None], [0] * (MOST_HARD + 1)]
)
def test_a_damaged_list_of_hard_patches_is_refused(listed):
    facts = {"epoch": 1, "steps": 3, "steps_per_epoch": 3}
    check_facts(facts | {"oracle": [0, 2**53 - 1]}, "state.keras")
    with pytest.raises(
        InputError, match=r"state\.keras isn't the state of a run: its list of hard patches is damaged\."
    ):
        check_facts(facts | {"oracle": listed}, "state.keras")
