"""`fit` gets the same batches with and without TensorFlow."""

import itertools

import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from wdsr_tf.data import feed
from wdsr_tf.data.sampler import Sampler
from wdsr_tf.data.sources import Pairs


@pytest.fixture(params=["TensorFlow", "plain Python"])
def installed(request, monkeypatch):
    if request.param == "TensorFlow":
        pytest.importorskip("tensorflow")
    monkeypatch.setattr(feed, "HAS_TENSORFLOW", request.param == "TensorFlow")


@pytest.fixture
def sampler(tmp_path):
    return Sampler(Pairs(write_pairs(tmp_path, count=7), 2, lr_patch_size=8), batch_size=4)


def check(batches, expected):
    for batch, arrays in itertools.zip_longest(batches, expected):
        for x, array in zip(batch, arrays, strict=True):
            np.testing.assert_array_equal(x, array)


def test_training_batches_are_endless_and_can_start_anywhere(installed, sampler):
    check(itertools.islice(feed.endless(sampler, start=5), 12), [sampler.batch(k) for k in range(5, 17)])


def test_validation_batches_are_the_same_in_every_iteration(installed, sampler):
    batches = feed.first(sampler, 3)
    for _ in range(2):
        check(batches, [sampler.batch(k) for k in range(3)])
