"""Compares training images with benchmark images, by a hash that recognizes copies."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from release import leaks
from release.training_images import hr_images
from wdsr_tf import images, weights
from wdsr_tf.data.degrade import jpeg
from wdsr_tf.files import sha256
from wdsr_tf.images import fingerprint
from wdsr_tf.images.resize import imresize

LISTED = weights.FOLDER / "training-pictures.csv"


def scene(seed):
    """Clouds, different ones for each seed: noise that is stronger the coarser it is, as in photographs."""
    random = np.random.default_rng(seed)
    total = np.zeros((96, 136, 3))
    for cells in (4, 8, 16, 32):
        rough = random.uniform(-1, 1, (cells, cells, 3)).astype("float32")
        total += imresize(rough, size=(96, 136)) * 160 / cells**0.8
    return images.to_uint8(128 + total)


def copies(rgb):
    """{description: a copy of the image that shows the same}."""
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


def hashes(named):
    return [(fingerprint.perceptual_hash(rgb), name) for name, rgb in named]


def test_copies_of_an_image_are_near_and_other_images_far():
    scenes = {f"scene {seed}": scene(seed) for seed in range(25)}
    known = hashes(scenes.items())
    for a, b in itertools.combinations(known, 2):
        assert fingerprint.distance(a[0], b[0]) > fingerprint.NEAR
    for what, copy in copies(scenes["scene 0"]).items():
        bits, nearest = fingerprint.nearest(copy, known)
        assert nearest == "scene 0" and bits <= fingerprint.NEAR, what


@pytest.mark.parametrize("orientation", range(8))
def test_an_image_is_found_in_any_orientation(orientation):
    view = list(fingerprint.orientations(scene(0)))[orientation]
    assert fingerprint.nearest(view, hashes([("scene", scene(0))])) == (pytest.approx(0, abs=2), "scene")


def test_equal_files_are_found_by_checksum_and_copies_by_their_hash(tmp_path):
    rgb = scene(3)
    images.write(tmp_path / "trained/a.png", rgb)
    bits = f"{fingerprint.perceptual_hash(rgb):016x}"
    seen = [leaks.TrainingImage("train", "a.png", "", "", sha256(tmp_path / "trained/a.png"), bits)]
    file = io.BytesIO()
    Image.fromarray(rgb[::2, ::2]).save(file, "JPEG", quality=60)
    (tmp_path / "copy.jpg").write_bytes(file.getvalue())
    images.write(tmp_path / "other.png", scene(4))
    paths = [tmp_path / name for name in ("trained/a.png", "copy.jpg", "other.png")]
    found = leaks.find_leaks(seen, paths)
    assert [(path.name, name) for path, name, _ in found] == [("a.png", "a.png"), ("copy.jpg", "a.png")]
    assert found[0][2] == 0


def test_a_written_list_is_read_back_unchanged(tmp_path):
    seen = [leaks.TrainingImage("train", "a,b.png", 'Käthe "K"', "CC-BY-4.0", "0" * 64, "0" * 16)]
    leaks.write(tmp_path / "list.csv", seen)
    assert leaks.read(tmp_path / "list.csv") == seen


def test_no_bundled_model_was_trained_on_a_benchmark_image(reference):
    sets = sorted((reference / "images" / "benchmark").iterdir())
    assert {"Set5", "Set14"} <= {folder.name for folder in sets}
    paths = [path for folder in sets for path in hr_images(folder)]
    assert len(paths) >= 3 * (5 + 14)
    assert leaks.find_leaks(leaks.read(LISTED), paths) == []


def test_training_images_are_far_from_benchmark_images_and_their_copies_are_found(reference):
    seen = leaks.read(LISTED)
    known = [(int(each.hash, 16), each.name) for each in seen]
    paths = hr_images(reference / "images" / "benchmark" / "Set14" / "image_SRF_2")
    # Different images of these datasets are at least 14 bits apart; none are between NEAR and that.
    assert min(fingerprint.nearest(images.read(path), known) for path in paths)[0] >= 14
    for each in seen[60::100]:
        rgb = images.read(reference / "images" / each.name)
        assert leaks.find_leaks([each], [reference / "images" / each.name]) == [
            (reference / "images" / each.name, each.name, 0)
        ]
        for what, copy in copies(rgb).items():
            bits, name = fingerprint.nearest(copy, known)
            assert bits <= fingerprint.NEAR and name == each.name, f"{each.name}, {what}: {bits}"
