"""Hard patches of an epoch replace some of the next one's, and everything else stays a pure function of the seed."""

import itertools

import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from wdsr_tf import images
from wdsr_tf.data import degrade, feed
from wdsr_tf.data.oracle import OracleSampler, hard
from wdsr_tf.data.patches import StoreConfig, Stored, make_store
from wdsr_tf.data.sampler import HARD, Sampler, philox
from wdsr_tf.data.sources import HRImages, Pairs

BATCH, STEPS = 4, 5
SIZE = BATCH * STEPS  # patches in an epoch


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A source of each kind."""
    folder, random = tmp_path_factory.mktemp("sources"), np.random.default_rng(0)
    made = {"pairs": Pairs(write_pairs(folder, count=7), 2, lr_patch_size=8)}
    paths = [folder / f"hr{i}.npy" for i in range(3)]
    (folder / "png").mkdir()
    for path in paths:
        pixels = random.integers(0, 256, (40, 44, 3), "uint8")
        np.save(path, pixels)
        images.write(folder / "png" / f"{path.stem}.png", pixels)
    made["degraded"] = HRImages(paths, degrade.parse("waifu2x-pytorch,level=1", 2), 8, active_cropping=0.5)
    store = folder / "store.sqlite"
    make_store(folder / "png", store, StoreConfig("waifu2x-pytorch,level=1", 2, 16, patches=3), jobs=1)
    made["store"] = Stored(store, "train", 2, 8)
    return made


def plain(sources, kind="pairs", seed=5):
    return Sampler(sources[kind], BATCH, seed)


def patch(sampler, number):
    """Patch `number` of a plain sampler."""
    lr, hr = sampler.batch(number // BATCH)
    return lr[number % BATCH], hr[number % BATCH]


@pytest.mark.parametrize("kind", ["pairs", "degraded", "store"])
def test_carried_patches_are_the_plain_samplers_and_all_others_stay(sources, kind):
    sampler, carried = plain(sources, kind), [3, 38, 17, 2**40, 0]
    oracle = OracleSampler(sampler, STEPS)
    oracle.begin(10, carried)
    numbers = [number for k in range(10, 10 + STEPS) for number in oracle.numbers(k)]
    assert {*carried} < {*numbers}
    assert [number for number in numbers if number not in carried] == [
        10 * BATCH + i for i, number in enumerate(numbers) if number not in carried
    ]
    lrs, hrs = oracle.batches(10, STEPS)
    for number, lr, hr in zip(numbers, lrs.reshape(-1, 8, 8, 3), hrs.reshape(-1, 16, 16, 3), strict=True):
        for found, expected in zip((lr, hr), patch(sampler, number), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_an_epoch_without_carried_patches_is_the_plain_samplers(sources):
    oracle = OracleSampler(plain(sources), STEPS)
    for k in range(STEPS):
        assert oracle.choices(k) == plain(sources).choices(k)


def test_the_places_of_carried_patches_depend_on_seed_and_epoch_alone(sources):
    def places(first, seed=5):
        oracle = OracleSampler(plain(sources, seed=seed), STEPS)
        oracle.begin(first, range(6))
        numbers = [number for k in range(first, first + STEPS) for number in oracle.numbers(k)]
        return [numbers.index(number) for number in range(6)]

    assert places(10) == places(10) == [14, 18, 13, 6, 11, 5]  # resumed runs depend on them
    assert len({tuple(places(*each)) for each in [(10,), (15,), (10, 6)]}) == 3


def test_an_epoch_that_became_shorter_takes_what_fits(sources):
    oracle = OracleSampler(plain(sources), 1)
    oracle.begin(10, range(9))
    assert sorted(oracle.numbers(10)) == [0, 1, 2, 3]


def reference(errors, rate, drop_rate, seed, step):
    """waifu2x's choice in plain words, with Philox's raw output."""
    count = round(rate * len(errors))
    known = [i for i in range(len(errors)) if np.isfinite(errors[i])]
    candidates = sorted(known, key=lambda i: -errors[i])[: round(count / (1 - drop_rate))]
    keys = np.random.Philox(key=np.array([seed, 4], "uint64"), counter=[0, 0, 0, step]).random_raw(len(candidates))
    return [candidates[i] for _, i in sorted(zip(keys.tolist(), range(len(candidates)), strict=True))][:count]


@pytest.mark.parametrize("rate, drop_rate", [(0.1, 0.5), (0.25, 0.0), (0.05, 0.9), (0.3, 0.7), (1.0, 0.0), (0.01, 0.5)])
def test_the_choice_is_waifu2x_s(rate, drop_rate):
    errors = np.random.default_rng(0).random(200).astype("float32")
    chosen = hard(errors, rate, drop_rate, philox(7, HARD, 30))
    assert chosen == reference(errors, rate, drop_rate, 7, 30)
    assert len(chosen) == len({*chosen}) == round(200 * rate)
    assert {*chosen} <= {*np.argsort(-errors)[: round(200 * rate / (1 - drop_rate))].tolist()}


def test_each_candidate_is_chosen_equally_often():
    times = np.zeros(100)
    for step in range(1000):
        times[hard(np.arange(100), 0.1, 0.5, philox(0, HARD, step))] += 1
    assert not times[:80].any()
    assert abs(times[80:] - 500).max() < 5 * 250**0.5  # five standard deviations


def test_errors_that_are_not_finite_are_never_hard():
    errors = np.array([1, np.nan, 5, np.inf, 3, -np.inf, 2, 4], "float32")
    assert sorted(hard(errors, 0.5, 0.0, philox(0, HARD, 0))) == [2, 4, 6, 7]
    assert sorted(hard(errors, 1.0, 0.0, philox(0, HARD, 0))) == [0, 2, 4, 6, 7]
    assert hard(np.full(4, np.nan), 0.5, 0.5, philox(0, HARD, 0)) == []


def test_a_patch_that_stays_hard_keeps_its_number(sources):
    oracle = OracleSampler(plain(sources), STEPS)
    for first in (0, STEPS, 2 * STEPS):
        numbers = [number for k in range(first, first + STEPS) for number in oracle.numbers(k)]
        assert 13 in numbers
        carried = oracle.hard(np.array([number == 13 for number in numbers], "float32"), 1 / SIZE, 0.0)
        assert carried == [13]
        oracle.begin(first + STEPS, carried)


@pytest.fixture(params=["TensorFlow", "plain Python"])
def installed(request, monkeypatch):
    if request.param == "TensorFlow":
        pytest.importorskip("tensorflow")
    monkeypatch.setattr(feed, "HAS_TENSORFLOW", request.param == "TensorFlow")


@pytest.mark.parametrize("batches_per_call", [1, 2, None])
def test_each_iteration_is_an_epoch_and_nothing_is_read_beyond_it(sources, installed, batches_per_call, monkeypatch):
    if batches_per_call and feed.HAS_TENSORFLOW:
        from wdsr_tf.data import pipeline

        monkeypatch.setattr(pipeline, "GROUP_BYTES", batches_per_call * BATCH * (8 * 8 + 16 * 16) * 3)
    oracle, asked = OracleSampler(plain(sources), STEPS), set()
    numbers = oracle.numbers
    monkeypatch.setattr(oracle, "numbers", lambda k: asked.add(k) or numbers(k))
    batches = feed.epoch(oracle)
    for first, carried in [(0, []), (0, []), (STEPS, [3, 7]), (2 * STEPS, [STEPS * BATCH, 3])]:
        oracle.begin(first, carried)
        asked.clear()
        found = [batches[i] for i in range(batches.num_batches)] if not feed.HAS_TENSORFLOW else list(batches)
        assert asked == {*range(first, first + STEPS)}
        for batch, k in itertools.zip_longest(found, range(first, first + STEPS)):
            for x, array in zip(batch, oracle.batch(k), strict=True):
                np.testing.assert_array_equal(x, array)
