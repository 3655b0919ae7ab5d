"""What networks were trained on against what they are measured on, and the hash that tells."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from release import leaks
from release.pictures import originals
from tests.conftest import REPOSITORY
from wdsr_tf import images, weights
from wdsr_tf.data.degrade import jpeg
from wdsr_tf.images.resize import imresize

LISTED = weights.FOLDER / "training-pictures.csv"
SEEN = leaks.read(LISTED) if LISTED.is_file() else []


def scene(seed):
    """A picture of clouds, other ones for each seed: noise that is stronger the coarser it is, as in photographs."""
    random = np.random.default_rng(seed)
    total = np.zeros((96, 136, 3))
    for cells in (4, 8, 16, 32):
        rough = random.uniform(-1, 1, (cells, cells, 3)).astype("float32")
        total += imresize(rough, size=(96, 136)) * 160 / cells**0.8
    return images.to_uint8(128 + total)


def copies(rgb):
    """What may be made of a picture without its becoming another one, by name."""
    brighter = images.to_uint8(rgb * 0.8 + 40)
    return {
        "itself": rgb,
        "half": imresize(rgb, 0.5),
        "a quarter": imresize(rgb, 0.25),
        "larger and stretched": imresize(rgb, size=(rgb.shape[0] * 2, rgb.shape[1] * 2 + 9)),
        "JPEG 20": jpeg(rgb, 20),
        "half, JPEG 40": jpeg(imresize(rgb, 0.5), 40),
        "brighter": brighter,
        "gray": np.asarray(Image.fromarray(rgb).convert("L").convert("RGB")),
        "a pixel less on each side": rgb[1:-1, 1:-1],
    }


def hashes(pictures):
    return [(leaks.perceptual_hash(rgb), name) for name, rgb in pictures]


def test_copies_of_a_picture_are_near_and_other_pictures_far():
    scenes = {f"scene {seed}": scene(seed) for seed in range(25)}
    known = hashes(scenes.items())
    for a, b in itertools.combinations(known, 2):
        assert leaks.distance(a[0], b[0]) > leaks.NEAR
    for what, copy in copies(scenes["scene 0"]).items():
        bits, nearest = leaks.nearest(copy, known)
        assert nearest == "scene 0" and bits <= leaks.NEAR, what


@pytest.mark.parametrize("position", range(8))
def test_a_picture_is_found_in_any_position(position):
    view = list(leaks.positions(scene(0)))[position]
    assert leaks.nearest(view, hashes([("scene", scene(0))])) == (pytest.approx(0, abs=2), "scene")


def test_equal_files_are_told_by_their_checksum_and_copies_by_their_looks(tmp_path):
    rgb = scene(3)
    images.write(tmp_path / "trained/a.png", rgb)
    bits = f"{leaks.perceptual_hash(rgb):016x}"
    seen = [leaks.Seen("train", "a.png", "", "", leaks.sha256(tmp_path / "trained/a.png"), bits)]
    file = io.BytesIO()
    Image.fromarray(rgb[::2, ::2]).save(file, "JPEG", quality=60)
    (tmp_path / "copy.jpg").write_bytes(file.getvalue())
    images.write(tmp_path / "other.png", scene(4))
    paths = [tmp_path / name for name in ("trained/a.png", "copy.jpg", "other.png")]
    found = leaks.leaks(seen, paths)
    assert [(path.name, name) for path, name, _ in found] == [("a.png", "a.png"), ("copy.jpg", "a.png")]
    assert found[0][2] == 0


def test_a_list_comes_back_as_it_was_written(tmp_path):
    seen = [leaks.Seen("train", "a,b.png", 'Käthe "K"', "CC-BY-4.0", "0" * 64, "0" * 16)]
    leaks.write(tmp_path / "list.csv", seen)
    assert leaks.read(tmp_path / "list.csv") == seen


def shipped():
    if not SEEN:
        pytest.skip(f"{LISTED.relative_to(REPOSITORY)} is not there")
    return SEEN


def test_no_network_that_ships_has_seen_a_picture_of_a_benchmark(reference):
    sets = sorted((reference / "images" / "benchmark").iterdir())
    assert {"Set5", "Set14"} <= {folder.name for folder in sets}
    paths = [path for folder in sets for path in originals(folder)]
    assert len(paths) >= 3 * (5 + 14)
    assert leaks.leaks(shipped(), paths) == []


def test_what_networks_have_seen_is_far_from_all_benchmarks_and_a_copy_of_it_is_found(reference):
    known = [(int(each.hash, 16), each.name) for each in shipped()]
    paths = originals(reference / "images" / "benchmark" / "Set14" / "image_SRF_2")
    # 14 is the nearest that different pictures of these sets come to each other: between NEAR and that nothing lies.
    assert min(leaks.nearest(images.read(path), known) for path in paths)[0] >= 14
    for each in SEEN[60::100]:
        rgb = images.read(reference / "images" / each.name)
        assert leaks.leaks([each], [reference / "images" / each.name]) == [
            (reference / "images" / each.name, each.name, 0)
        ]
        for what, copy in copies(rgb).items():
            bits, name = leaks.nearest(copy, known)
            assert bits <= leaks.NEAR and name == each.name, f"{each.name}, {what}: {bits}"
