"""The data of a training run comes from plain values alone."""

import dataclasses
import shutil

import numpy as np
import pytest

from tests.helpers.runs import write_dataset
from wdsr_tf import images
from wdsr_tf.data.assemble import Data, with_arrays
from wdsr_tf.data.sampler import MixedSampler
from wdsr_tf.data.sources import HRImages, Pairs
from wdsr_tf.errors import InputError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return Data(write_dataset(tmp_path_factory.mktemp("toy")), lr_patch_size=12, batch_size=4, seed=7)


def test_dataset_gives_pairs_of_the_chosen_images(data):
    sampler = data.sampler("train", "2-3", [2])
    assert isinstance(sampler.source, Pairs)
    assert [pair.name for pair in sampler.source.pairs] == ["0002", "0003"]
    assert sampler.shapes == ((4, 12, 12, 3), (4, 24, 24, 3))
    assert (sampler.seed, sampler.augment) == (7, True)


def test_several_scales_share_the_loaded_images(data):
    mixed = data.sampler("train", None, [2, 3])
    assert isinstance(mixed, MixedSampler)
    one, other = (sampler.source for sampler in mixed.samplers)
    assert (one.scale, other.scale) == (2, 3)
    assert one.arrays is other.arrays


def test_recipe_makes_lr_and_images_that_are_too_small_are_logged(data, tmp_path):
    shutil.copytree(data.root / "TOY_train_HR", tmp_path / "TOY_train_HR")
    np.save(tmp_path / "TOY_train_HR" / "0005.npy", np.zeros((20, 90, 3), "uint8"))
    logged = []
    made = dataclasses.replace(data, root=tmp_path, recipe="waifu2x-pytorch", log=logged.append)
    sampler = made.sampler("train", None, [2])
    assert isinstance(sampler.source, HRImages)
    assert len(sampler.source.paths) == 4
    assert logged == ["train: 1 of 5 images left out: too small for a patch"]


def test_each_process_gets_its_part_of_a_batch(data):
    sampler = dataclasses.replace(data, part=(1, 2)).sampler("valid", None, [2])
    assert sampler.shapes == ((2, 12, 12, 3), (2, 24, 24, 3))


def test_patch_store_rejects_full_images_and_recipes(data, tmp_path):
    store = tmp_path / "store.sqlite"
    store.write_bytes(b"")
    stored = dataclasses.replace(data, root=store, recipe="waifu2x-pytorch")
    with pytest.raises(InputError, match="has no full images"):
        stored.full_images(None, 2)
    with pytest.raises(InputError, match="has LR patches already"):
        stored.sampler("train", None, [2])


def test_plain_folder_is_converted_and_a_dataset_is_used_as_it_is(data, tmp_path):
    for name in ("a.png", "b.png"):
        images.write(tmp_path / "plain" / name, np.zeros((20, 20, 3), "uint8"))
    (tmp_path / "plain" / "c.png").write_bytes(b"not an image")
    logged = []
    cache = with_arrays(tmp_path / "plain", tmp_path / "cache", logged.append)
    assert cache.is_relative_to(tmp_path / "cache")
    assert len(logged) == 1 and "c.png" in logged[0]
    assert with_arrays(data.root, tmp_path / "cache") == data.root
