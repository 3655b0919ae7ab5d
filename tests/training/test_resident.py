"""Images on the device: patches cut there equal those of the sampler on the host, and so does the training."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from wdsr_tf.data import feed
from wdsr_tf.data import resident as data
from wdsr_tf.data.sampler import MixedSampler, Sampler
from wdsr_tf.data.sources import Pairs
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model
from wdsr_tf.training import resident, trainer
from wdsr_tf.training.optimizers import create_optimizer

SMALL = {"wdsr-a": {"num_filters": 2, "num_res_blocks": 1}, "carn": {"num_filters": 2}}


@pytest.fixture(scope="module")
def sampler(tmp_path_factory):
    """Patches of five images in two sizes, filled with noise so that pixels differ."""
    folder, random = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    (folder / "wide").mkdir()
    pairs = [*write_pairs(folder, 3), *write_pairs(folder / "wide", 2, height=9, width=30)]
    for path in [path for pair in pairs for path in (pair.lr, pair.hr)]:
        np.save(path, random.integers(0, 256, np.load(path).shape, "uint8"))
    return Sampler(Pairs(pairs, 2, lr_patch_size=8), batch_size=6, seed=3)


@pytest.mark.parametrize("segment", [2**16, 64])  # the second is shorter than an image, and not a multiple of a row
def test_patches_cut_on_the_device_are_the_samplers_batch(sampler, segment, monkeypatch):
    monkeypatch.setattr(data, "SEGMENT", segment)
    plan = data.Plan(sampler)
    kept = [keras.Variable(packed.pixels, dtype="uint8", trainable=False) for packed in plan.packed]
    seen = set()
    for k in range(12):
        seen |= {choice[3:] for choice in sampler.choices(k)}
        for pixels, places, side, expected in zip(kept, plan.batch(k), plan.sides, sampler.batch(k), strict=True):
            found = keras.ops.convert_to_numpy(data.cut(pixels, places, side))
            assert found.dtype == "uint8"
            np.testing.assert_array_equal(found, expected)
    assert len(seen) == 8  # mirrored and turned in every way


def test_a_plan_is_fed_like_a_sampler(sampler):
    plan = data.Plan(sampler)
    for k, batch in enumerate(itertools.islice(feed.endless(plan, start=2), 70), 2):
        for found, expected in zip(batch, plan.batch(k), strict=True):
            np.testing.assert_array_equal(found, expected)
    assert plan.shapes == ((6, 5), (6, 5))


def trained(sampler, on_device, precision, name):
    """The variables of a network after five steps, and the history."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(precision)
    model = create_model(name, 2, **SMALL[name])
    trainer.compile_model(model, create_optimizer("adam", 1e-3), "mae")
    batches = resident.train_from(model, sampler) if on_device else sampler
    history = model.fit(feed.endless(batches), steps_per_epoch=5, verbose=0, shuffle=False).history
    return list(map(keras.ops.convert_to_numpy, [*model.variables, *model.optimizer.variables])), history


@pytest.mark.parametrize(
    "name, precision",
    [
        ("wdsr-a", "float32"),
        pytest.param("wdsr-a", "mixed_float16", marks=pytest.mark.slow),
        # Has layers without weights inside a layer, which Keras does not count as built.
        pytest.param("carn", "float32", marks=pytest.mark.slow),
    ],
)
def test_training_from_the_device_is_training_from_the_host_to_the_last_bit(sampler, name, precision, policy):
    (ours, our_history), (theirs, their_history) = (trained(sampler, where, precision, name) for where in (True, False))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert our_history == their_history


def test_images_that_do_not_fit_are_refused_with_their_size(sampler, monkeypatch):
    monkeypatch.setattr(resident, "free_memory", lambda: 2**18)
    with pytest.raises(InputError, match=r"take 0\.4 MiB, but only 0\.2 MiB of device memory are free"):
        resident.train_from(None, sampler)


def test_only_pairs_of_images_at_one_scale_can_be_kept_on_the_device(sampler):
    made = Sampler(SimpleNamespace(shapes=sampler.source.shapes))
    for other in (MixedSampler([sampler, sampler]), made):
        with pytest.raises(InputError, match="device_resident needs a dataset of LR and HR images"):
            data.Plan(other)
