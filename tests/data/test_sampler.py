"""Batch k is a pure function of (seed, k), and every part of an image is used."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from wdsr_tf.data.sampler import MixedSampler, Sampler, read_ahead
from wdsr_tf.data.sources import Pairs
from wdsr_tf.errors import InputError

CHOICES_OF_BATCH_3 = [(0, 2, 2, 0, 3), (2, 2, 5, 0, 1), (2, 0, 1, 0, 2), (3, 2, 4, 1, 1)]  # with seed 5


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), count=7)


def make(pairs, batch_size=4, **arguments):
    return Sampler(Pairs(pairs, 2, lr_patch_size=8), batch_size, **arguments)


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_batch_depends_on_seed_and_number_alone(pairs):
    one, other = make(pairs, seed=5), make(pairs, seed=5)
    forwards = [one.batch(k) for k in range(6)]
    backwards = [other.batch(k) for k in reversed(range(6))]
    assert all(same(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))


def test_another_seed_or_number_gives_another_batch(pairs):
    batches = [make(pairs, seed=seed).batch(k)[1].tobytes() for seed in (0, 1) for k in (0, 1)]
    assert len(set(batches)) == 4


def test_batches_never_change_between_versions(pairs):
    """Resumed runs depend on these choices."""
    assert make(pairs, seed=5).choices(3) == CHOICES_OF_BATCH_3


def test_batch_is_uint8_and_has_the_stated_shapes(pairs):
    sampler = make(pairs)
    lr, hr = sampler.batch(0)
    assert lr.dtype == hr.dtype == "uint8"
    assert (lr.shape, hr.shape) == sampler.shapes == ((4, 8, 8, 3), (4, 16, 16, 3))


def test_several_batches_at_once_equal_single_ones(pairs):
    sampler = make(pairs)
    lr, hr = sampler.batches(3, 5)
    assert all(same(sampler.batch(3 + j), (lr[j], hr[j])) for j in range(5))


def test_lr_and_hr_patches_show_the_same(pairs):
    for k in range(10):
        lr, hr = make(pairs).batch(k)
        np.testing.assert_array_equal(hr, lr.repeat(2, axis=1).repeat(2, axis=2))


def test_every_pass_takes_each_image_once_in_a_new_order(pairs):
    sampler = make(pairs)
    taken = [choice[0] for k in range(7) for choice in sampler.choices(k)]  # 28 patches: four passes over 7 images
    passes = [tuple(taken[i : i + 7]) for i in range(0, 28, 7)]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert len(set(passes)) == 4


def test_positions_and_symmetries_are_uniformly_distributed(pairs):
    """In an image of 10 x 13, a patch of 8 x 8 can begin at 3 rows and 6 columns."""
    sampler = make(pairs, batch_size=7)
    drawn = np.array([choice[1:] for k in range(2000) for choice in sampler.choices(k)])  # 14,000 patches
    for column, count in enumerate((3, 6, 2, 4)):
        values, times = np.unique(drawn[:, column], return_counts=True)
        assert values.tolist() == list(range(count))
        expected = len(drawn) / count
        assert abs(times - expected).max() < 5 * expected**0.5  # five standard deviations
    assert len(np.unique(drawn, axis=0)) == 3 * 6 * 2 * 4


def test_patches_are_unchanged_without_augmentation(pairs):
    sampler = make(pairs, augment=False)
    for patch, (index, top, left, flipped, turns) in zip(sampler.batch(2)[0], sampler.choices(2), strict=True):
        assert (flipped, turns) == (0, 0)
        np.testing.assert_array_equal(patch, np.load(pairs[index].lr)[top : top + 8, left : left + 8])


def test_processes_share_a_batch_in_equal_parts_and_in_order(pairs):
    whole = make(pairs)
    parts = [make(pairs, part=(i, 2)) for i in range(2)]
    assert [part.shapes for part in parts] == [((2, 8, 8, 3), (2, 16, 16, 3))] * 2
    for k in range(5):
        found = [part.batch(k) for part in parts]
        assert same([np.concatenate(x) for x in zip(*found, strict=True)], whole.batch(k))


def test_batch_that_has_no_equal_parts_is_rejected(pairs):
    with pytest.raises(InputError, match="batch of 4 patches can't be divided evenly among 3"):
        make(pairs, part=(0, 3))


def test_reading_ahead_gives_the_same_batches_in_order(pairs):
    sampler = make(pairs)
    ahead = read_ahead(sampler, start=3)
    assert all(same(batch, sampler.batch(3 + j)) for j, batch in enumerate(itertools.islice(ahead, 20)))
    ahead.close()


def test_reading_ahead_raises_the_samplers_error():
    class Broken:
        def batch(self, k):
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        next(read_ahead(Broken()))


def test_sampler_imports_neither_tensorflow_nor_keras():
    code = "import sys, wdsr_tf.data.sampler; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_mixed_batches_have_one_scale_each_drawn_evenly_by_number_alone(pairs, tmp_path):
    triples = write_pairs(tmp_path, count=7, scale=3)
    samplers = [make(pairs), Sampler(Pairs(triples, 3, lr_patch_size=8), 4)]
    mixed = MixedSampler(samplers)
    assert mixed.shapes == ((4, 8, 8, 3), (4, None, None, 3))
    chosen = [mixed.batch(k)[1].shape[1] // 8 for k in range(400)]
    assert chosen == [MixedSampler(samplers).batch(k)[1].shape[1] // 8 for k in range(400)]
    assert abs(chosen.count(2) - 200) < 5 * 100**0.5  # five standard deviations
    assert set(chosen) == {2, 3}
    for k, scale in enumerate(chosen[:10]):
        assert same(mixed.batch(k), samplers[scale - 2].batch(k))
        assert same([x[0] for x in mixed.batches(k, 1)], mixed.batch(k))
