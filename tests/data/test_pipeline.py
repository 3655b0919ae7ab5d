"""`tf.data` gives the sampler's batches, one for one."""

import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from wdsr_tf.data.augment import augment, crop
from wdsr_tf.data.sampler import Sampler
from wdsr_tf.data.sources import Pairs

tf = pytest.importorskip("tensorflow")
pipeline = pytest.importorskip("wdsr_tf.data.pipeline")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), count=7)


@pytest.fixture(scope="module")
def sampler(pairs):
    return Sampler(Pairs(pairs, 2, lr_patch_size=8), batch_size=4)


def check(dataset, sampler, start, count):
    for k, (lr, hr) in enumerate(dataset.take(count).as_numpy_iterator(), start):
        expected = sampler.batch(k)
        np.testing.assert_array_equal(lr, expected[0])
        np.testing.assert_array_equal(hr, expected[1])
    assert k == start + count - 1


@pytest.mark.parametrize("batches_per_call", [1, 3, None])
def test_batches_equal_the_samplers_in_order(sampler, batches_per_call, monkeypatch):
    if batches_per_call:
        batch_bytes = 4 * (8 * 8 + 16 * 16) * 3
        monkeypatch.setattr(pipeline, "GROUP_BYTES", batches_per_call * batch_bytes)
    check(pipeline.training_dataset(sampler), sampler, 0, 50)


def test_dataset_that_starts_at_k_continues_one_that_ended_there(sampler):
    check(pipeline.training_dataset(sampler, start=17), sampler, 17, 20)


def test_every_iteration_starts_again(sampler):
    dataset = pipeline.training_dataset(sampler, start=2)
    check(dataset, sampler, 2, 3)
    check(dataset, sampler, 2, 3)


def test_training_batches_have_patches_of_known_size_and_are_endless(sampler):
    dataset = pipeline.training_dataset(sampler)
    # Their number stays unknown, for the sake of reproducibility: tests/training/test_reproducible.py.
    assert [(spec.shape.as_list(), spec.dtype) for spec in dataset.element_spec] == [
        ([None, 8, 8, 3], tf.uint8),
        ([None, 16, 16, 3], tf.uint8),
    ]
    assert int(dataset.cardinality()) in (tf.data.INFINITE_CARDINALITY, tf.data.UNKNOWN_CARDINALITY)


def test_augmentation_is_the_same_inside_and_outside_tf_data(pairs, sampler):
    batches = pipeline.training_dataset(sampler).take(20).as_numpy_iterator()
    seen = set()
    for k, (lrs, hrs) in enumerate(batches):
        for lr, hr, (index, top, left, flipped, turns) in zip(lrs, hrs, sampler.choices(k), strict=True):
            patches = crop(np.load(pairs[index].lr), np.load(pairs[index].hr), top, left, size=8, scale=2)
            alone = augment(*patches, flipped, turns)
            np.testing.assert_array_equal(lr, alone[0])
            np.testing.assert_array_equal(hr, alone[1])
            seen.add((flipped, turns))
    assert len(seen) == 8
