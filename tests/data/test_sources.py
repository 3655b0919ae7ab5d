"""Patches of pairs, and patches of HR images with LR made on the fly."""

import ctypes
import functools
import mmap
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from wdsr_tf.data import degrade, sources
from wdsr_tf.data.sampler import Sampler, generator
from wdsr_tf.data.sources import Arrays, HRImages, Pairs, files, free_memory, open_maps_allowed
from wdsr_tf.data.variations import Variations
from wdsr_tf.errors import InputError


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"), count=7)


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Five HR images of noise, as `.npy`."""
    folder, random = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for i in range(5):
        np.save(folder / f"{i}.npy", random.integers(0, 256, (60 + i, 80, 3), "uint8"))
    return sorted(folder.glob("*.npy"))


def batches(source, numbers=range(6), **options):
    sampler = Sampler(source, batch_size=4, seed=5, **options)
    return [sampler.batch(k) for k in numbers]


def same(some, others):
    return all(np.array_equal(x, y) for a, b in zip(some, others, strict=True) for x, y in zip(a, b, strict=True))


def hr_images(paths, text="waifu2x-pytorch,level=1", scale=2, **options):
    return HRImages(paths, degrade.parse(text, scale), lr_patch_size=8, **options)


def test_memory_maps_and_memory_give_the_same_batches(pairs):
    maps, memory = Arrays(files(pairs), 0), Arrays(files(pairs), 1)
    assert not maps.in_memory and memory.in_memory
    assert same(batches(Pairs(pairs, 2, 8, maps)), batches(Pairs(pairs, 2, 8, memory)))


def test_more_images_than_open_files_give_the_same_batches(pairs, monkeypatch):
    expected = batches(Pairs(pairs, 2, 8))
    monkeypatch.setattr(sources, "open_maps_allowed", lambda desired: 5)
    assert same(batches(Pairs(pairs, 2, 8, Arrays(files(pairs), 0))), expected)


def requested_rows(source, monkeypatch):
    """The rows (file, first, count) that two batches request, and the choices of their patches."""
    rows = []
    monkeypatch.setattr(source.arrays, "expect", lambda *request: rows.append(request))
    sampler = Sampler(source, batch_size=4, seed=5)
    sampler.batches(3, 2)
    return rows, [*sampler.choices(3), *sampler.choices(4)]


def test_rows_of_all_next_patches_are_requested_together(pairs, monkeypatch):
    rows, choices = requested_rows(Pairs(pairs, 2, 8, Arrays(files(pairs), 0)), monkeypatch)
    assert rows[0::2] == [(pairs[index].lr, top, 8) for index, top, *_ in choices]
    assert rows[1::2] == [(pairs[index].hr, 2 * top, 16) for index, top, *_ in choices]


def test_rows_of_the_margin_are_requested_too(noise, monkeypatch):
    source = hr_images(noise, "waifu2x-art,level=1,margin=3")
    rows, choices = requested_rows(source, monkeypatch)
    assert rows == [(noise[index], top, 2 * (8 + 2 * 3)) for index, top, *_ in choices]


def cached_pages(path):
    """The numbers of the pages of a file that are in the page cache."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        view = np.frombuffer(mapped, "uint8")
        flags = np.zeros(-(-view.size // mmap.PAGESIZE), "uint8")
        address, size, out = view.ctypes.data, ctypes.c_size_t(view.size), flags.ctypes.data
        assert ctypes.CDLL(None).mincore(ctypes.c_void_p(address), size, ctypes.c_void_p(out)) == 0
        del view  # it would keep the map open
        return set(np.flatnonzero(flags & 1).tolist())


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="inspects the page cache in a way that only Linux supports"
)
@pytest.mark.parametrize("maps", [0, 9])
def test_exactly_the_requested_rows_are_read_from_disk(tmp_path, monkeypatch, maps):
    path = tmp_path / "0.npy"
    np.save(path, np.ones((1000, 2000, 3), "uint8"))
    monkeypatch.setattr(sources, "open_maps_allowed", lambda desired: maps)
    arrays = Arrays([path], 0)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if cached_pages(path):
        pytest.skip("this file system doesn't drop files from the page cache")
    arrays.expect(path, 400, 100)
    first, last = (128 + 6000 * row for row in (400, 500))
    expected = set(range(first // mmap.PAGESIZE, (last - 1) // mmap.PAGESIZE + 1))
    end = time.monotonic() + 20
    while not (found := cached_pages(path)) >= expected and time.monotonic() < end:
        time.sleep(0.01)
    assert {page for page in found if page >= 100} == expected  # reopening a map reads its header and more


def test_limit_of_open_files_is_raised_only_if_needed(monkeypatch):
    resource = pytest.importorskip("resource")
    limits = [(1024, 4096)]
    monkeypatch.setattr(resource, "getrlimit", lambda which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda which, limit: limits.append(limit))
    assert open_maps_allowed(100) == 100 and len(limits) == 1
    assert open_maps_allowed(1600) == 1600 and limits[-1] == (1856, 4096)
    assert open_maps_allowed(10_000) == 4096 - 256 and limits[-1] == (4096, 4096)


def test_free_memory_respects_the_container(tmp_path):
    proc = tmp_path / "meminfo"
    proc.write_text("MemTotal:       2000 kB\nMemAvailable:   1000 kB\n")
    assert free_memory(proc, tmp_path) == 1000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("100000\n")
    assert free_memory(proc, tmp_path) == 1000 * 1024
    (tmp_path / "memory.max").write_text("300000\n")
    assert free_memory(proc, tmp_path) == 200_000


def test_image_smaller_than_the_patch_is_named(pairs):
    with pytest.raises(InputError, match=r"11 x 11.*: 0000 \(10 x 13\), 0001 \(10 x 13\)"):
        Pairs(pairs, 2, lr_patch_size=11)
    assert batches(Pairs(pairs, 2, lr_patch_size=10))[0][0].shape == (4, 10, 10, 3)


def test_source_without_images_is_rejected():
    with pytest.raises(InputError, match="no images"):
        Pairs([], 2)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"min_bytes": 200},
        {"active_cropping": 0.5},
        {"variations": Variations(half_size=0.5, color_noise=0.5, overlay=0.5, unsharp_mask=0.5)},
        {"text": "waifu2x-art,level=2,margin=2", "min_bytes": 200},
        {"text": "waifu2x-photo,level=0,margin=2", "scale": 1},
        {"text": "real-esrgan,margin=2"},
        {"text": "bsrgan,margin=2"},
    ],
)
def test_degraded_batches_depend_on_seed_and_number_alone(noise, options):
    forwards = batches(hr_images(noise, **options))
    backwards = batches(hr_images(noise, arrays=Arrays(noise, 0), **options), numbers=range(5, -1, -1))
    assert same(forwards, reversed(backwards))
    sampler = Sampler(hr_images(noise, **options), batch_size=4, seed=5)
    with ThreadPoolExecutor(4) as threads:
        assert same(forwards, threads.map(sampler.batch, range(6)))
    assert not same(forwards[:1], [Sampler(sampler.source, batch_size=4, seed=6).batch(0)])


def test_patches_do_not_share_their_noise(noise):
    source = hr_images(noise, "waifu2x-pytorch,level=2")
    patch = functools.partial(source.patch, 0, 0, 0, 0, 0)  # the same place each time
    seen = {patch(functools.partial(generator, 5, number))[0].tobytes() for number in range(40)}
    assert len(seen) > 20  # of 3 filters x 26 qualities; 31 on average


def test_lr_is_made_from_the_returned_hr_patch(noise):
    """Patches are rotated before LR is made; this recipe draws no random numbers."""
    recipe = degrade.parse("waifu2x-pytorch-v1,level=2", 2)
    for lrs, hrs in batches(HRImages(noise, recipe, lr_patch_size=8)):
        for lr, hr in zip(lrs, hrs, strict=True):
            np.testing.assert_array_equal(lr, recipe(np.ascontiguousarray(hr), None))


def test_degraded_patches_come_from_the_samplers_positions(noise):
    sampler = Sampler(hr_images(noise), batch_size=4, augment=False)
    for hr, (index, top, left, _, _) in zip(sampler.batch(1)[1], sampler.choices(1), strict=True):
        np.testing.assert_array_equal(hr, np.load(noise[index])[top : top + 16, left : left + 16])


def test_margin_is_given_to_the_recipe_and_removed_from_its_result(noise):
    source = hr_images(noise, "waifu2x-art,level=1,margin=3")
    (lr, hr), side = batches(source, [0], augment=False)[0], 2 * (8 + 2 * 3)
    assert (lr.shape, hr.shape) == ((4, 8, 8, 3), (4, 16, 16, 3))
    assert source.positions[0].tolist() == [60 - side + 1, 80 - side + 1]
    index, top, left, _, _ = Sampler(source, batch_size=4, seed=5, augment=False).choices(0)[0]
    np.testing.assert_array_equal(hr[0], np.load(noise[index])[top + 6 : top + 22, left + 6 : left + 22])


@pytest.fixture
def half_flat(tmp_path):
    """An image with noise in its right half only."""
    pixels = np.full((40, 80, 3), 128, "uint8")
    pixels[:, 40:] = np.random.default_rng(0).integers(0, 256, (40, 40, 3))
    np.save(tmp_path / "0.npy", pixels)
    return [tmp_path / "0.npy"]


def deviations(source):
    return np.concatenate([hr.std(axis=(1, 2, 3)) for _, hr in batches(source, range(50))])


def test_patches_of_few_bytes_are_replaced_by_others_of_the_image(half_flat):
    assert (deviations(hr_images(half_flat)) == 0).mean() > 0.2
    # Ten patches in a row are flat with a probability of about (3 / 8) ** 10.
    assert (deviations(hr_images(half_flat, min_bytes=150)) > 0).all()


def test_active_cropping_prefers_details(half_flat):
    assert (deviations(hr_images(half_flat, active_cropping=1.0)) > 60).all()


@pytest.fixture
def ramps(tmp_path):
    """Two images whose values grow by one per column; the second has no room for a patch of twice the size."""
    for i, (height, width) in enumerate([(40, 80), (24, 80)]):
        np.save(tmp_path / f"{i}.npy", np.broadcast_to(np.arange(width)[:, None], (height, width, 3)).astype("uint8"))
    return [tmp_path / "0.npy", tmp_path / "1.npy"]


def test_half_size_patches_show_twice_as_much_of_images_that_are_large_enough(ramps):
    def slopes(source):
        found = [hr[:, 4:-4].astype(int) for _, hr in batches(source, range(25), augment=False)]
        return {round(float(hr[:, -1].mean() - hr[:, 0].mean()) / (len(hr[0]) - 1)) for each in found for hr in each}

    always = Variations(half_size=1.0)
    assert slopes(hr_images(ramps[:1])) == {1}
    assert slopes(hr_images(ramps[:1], variations=always)) == {2}
    assert slopes(hr_images(ramps[1:], variations=always)) == {1}


def test_lr_is_made_from_varied_hr(noise):
    recipe, variations = degrade.parse("waifu2x-pytorch-v1,level=2", 2), Variations(overlay=1.0, unsharp_mask=1.0)
    source = HRImages(noise, recipe, lr_patch_size=8, variations=variations)
    plain = batches(HRImages(noise, recipe, lr_patch_size=8))
    for (lrs, hrs), (_, before) in zip(batches(source), plain, strict=True):
        assert not np.array_equal(hrs, before)
        for lr, hr in zip(lrs, hrs, strict=True):
            np.testing.assert_array_equal(lr, recipe(np.ascontiguousarray(hr), None))


def test_image_without_any_detail_is_used_anyway(tmp_path):
    np.save(tmp_path / "0.npy", np.full((40, 40, 3), 128, "uint8"))
    lr, _ = batches(hr_images([tmp_path / "0.npy"], min_bytes=14_000), [0])[0]
    assert lr.shape == (4, 8, 8, 3)


def test_hr_images_too_small_for_a_patch_are_left_out(noise, tmp_path):
    np.save(tmp_path / "small.npy", np.zeros((15, 40, 3), "uint8"))
    source = hr_images([*noise, tmp_path / "small.npy"])
    assert source.left_out == [tmp_path / "small.npy"] and source.paths == noise
    with pytest.raises(InputError, match=r"None of 1 HR images has a patch of 16 x 16.*lr_patch_size"):
        hr_images([tmp_path / "small.npy"])
