"""From a training run to a bundled model with its card, with a network too small to be useful."""

import dataclasses
import json
import os

import keras
import numpy as np
import pytest

pytest.importorskip("tensorboard")  # its log tells how long the training took
pytest.importorskip("onnx")
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from release import leaks, publish, training_images
from release.publish import Bundled
from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint, images
from wdsr_tf.data import make_pairs
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.models import create_model
from wdsr_tf.training.run import Run

BEGAN = 4102444800  # in 2100
PROFILE = "--model=wdsr-a\n--num-filters=4\n--num-res-blocks=1\n--scale=2\n--epochs=1\n--ema=0.9\n--schedule=cosine\n"


def image(seed):
    """Smooth noise, different for each seed."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype="uint8")
    return np.kron(rough, np.ones((16, 16, 1), "uint8"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with training images, their dataset, two benchmarks, and the profiles of two tiny models."""
    for seed, name in enumerate(("images/train/a", "images/train/b", "images/valid/c")):
        images.write(tmp_path / f"{name}.png", image(seed))
    (tmp_path / "images/train/MANIFEST.tsv").write_text("file\tauthor\tlicense\na.png\tAnn Author\tCC0-1.0\n")
    make_pairs(tmp_path / "images", tmp_path / "DATA", (2,), name="DATA", lr_patch_size=8, jobs=1)
    for seed, name in enumerate(("Set5", "Set14"), start=10):
        images.write(tmp_path / f"benchmark/{name}/d.png", image(seed))
    (tmp_path / "profiles").mkdir()
    for name in ("tiny-x2", "later-x2"):
        (tmp_path / f"profiles/bundled-{name}").write_text(PROFILE)
    models = {
        "tiny-x2": Bundled("tiny x2", "For a test.", {"Set5": 99.0, "Set14": -99.0}),
        "later-x2": Bundled("tiny x2, later", "For a test.", {"Set5": 0, "Set14": 0}, start="tiny-x2", jpeg=(50, 95)),
    }
    monkeypatch.setattr(publish, "MODELS", models)
    monkeypatch.setattr(publish, "PROFILES", tmp_path / "profiles")
    monkeypatch.setattr(publish, "COMPUTED", tmp_path / "computed.json")
    return tmp_path


def write_log(run, *sessions):
    """Writes event files of TensorBoard with an event at each of a session's times."""
    run.log.mkdir()
    for i, times in enumerate(sessions):
        with (run.log / f"events.out.tfevents.{i}").open("wb") as file:
            for time in times:
                RecordWriter(file).write(Event(wall_time=time, step=1).SerializeToString())


def config_of(name, **other):
    """The config of a model's profile, with other values."""
    return dataclasses.replace(publish.read_config(publish.profile(name)), **other)


def trained(place, name, **other):
    """A run as train.py leaves it: args.txt and two checkpoints, of which the one with averaged weights is better.

    It started in the year 2100, after every change of its dataset, and paused between its sessions.
    """
    run = Run.start(place / "output" / name, config_of(name, **other).flag_lines())
    write_log(run, [BEGAN, BEGAN + 60, BEGAN + 100.4], [BEGAN + 70, BEGAN + 90], [BEGAN + 9000, BEGAN + 9050])
    for epoch, psnr, suffix in ((1, 9.5, ""), (2, 30.25, "-ema")):
        keras.utils.set_random_seed(epoch)
        model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
        model.facts = {"epoch": epoch, "history": [1, 2], "random_state": []} | ({"ema": True} if suffix else {})
        model.compile("adam", "mae")
        checkpoint.save(model, run.model_path(epoch, psnr, suffix))
    return run


def publish_run(place, name, run):
    publish.publish(name, run, place / "DATA", place / "benchmark", place / "weights", hardware="a loom")


def test_a_run_becomes_a_bundled_model_with_its_card(place, capsys):
    run = trained(place, "tiny-x2")
    publish_run(place, "tiny-x2", run)
    path = place / "weights/tiny-x2.keras"
    model, best = checkpoint.load(path, compile=True), checkpoint.load(run.models / "epoch-002-psnr-30.2500-ema.keras")
    for ours, theirs in zip(model.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not getattr(model, "optimizer", None) and path.stat().st_size < best.count_params() * 4 + 60_000
    facts = model.facts
    assert facts["epoch"] == 2 and facts["ema"] and not {"history", "random_state", "jpeg"} & facts.keys()
    assert facts["title"] == "tiny x2" and facts["license"] == "Apache-2.0"
    assert (facts["seconds"], facts["hardware"]) == (150, "a loom")
    assert "2 images for training: 2 images of train (CC0-1.0 1, license not stated 1)" in facts["training_data"]
    assert "1 epochs of 1000 steps" in facts["recipe"] and "fresh weights" in facts["recipe"]
    assert (
        "after epoch 2, with the highest validation PSNR: the moving average of the weights with 0.9" in facts["recipe"]
    )
    assert list(facts["figures"]) == ["Set5", "Set14"]
    assert facts["figures"]["Set5"].keys() == {"psnr", "ssim", "bicubic", "protocol"}
    said = capsys.readouterr().out
    assert "floor 99.00 dB: MISSED" in said and "floor -99.00 dB: met" in said
    assert (place / "weights/tiny-x2.onnx").is_file()

    card = json.loads((place / "weights/tiny-x2.json").read_text(encoding="utf-8"))
    assert card["name"] == "tiny-x2" and card["figures"] == facts["figures"]
    assert "tiny x2" in (place / "weights/tiny-x2.md").read_text(encoding="utf-8")
    assert json.loads((place / "computed.json").read_text()).keys() == {"tiny-x2"}
    seen = leaks.read(place / "weights/training-pictures.csv")
    assert [(each.split, each.name.rpartition("/")[2]) for each in seen] == [
        ("train", "a.png"),
        ("train", "b.png"),
        ("valid", "c.png"),
    ]
    assert (seen[0].author, seen[0].license) == ("Ann Author", "CC0-1.0")


def test_the_recipe_says_if_the_average_of_the_weights_was_not_the_best(place):
    recipe = publish.recipe("tiny-x2", config_of("tiny-x2"), {"epoch": 1})
    assert "after epoch 1" in recipe and "the weights, not their moving average with 0.9" in recipe


def test_a_model_for_jpeg_is_measured_on_jpeg(place):
    checkpoint.save(start(), place / "weights/tiny-x2.keras")
    publish_run(place, "later-x2", trained(place, "later-x2", pretrained_model=place / "weights/tiny-x2.keras"))
    facts = checkpoint.read_config(place / "weights/later-x2.keras")["facts"]
    assert facts["jpeg"] == [50, 95] and list(facts["figures"]) == ["Set5, JPEG 75", "Set14, JPEG 75"]
    assert len(facts["command"]) == 2 and "tiny-x2" in facts["command"][0]


def start(**facts):
    """A model for the training of another to start with."""
    model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    model.facts = {"sha256": "0" * 64} | facts
    return model


def test_a_training_starts_with_the_bundled_model_or_with_the_checkpoint_it_was_made_from(place):
    checkpoint.save(start(), place / "of-the-run.keras")
    checkpoint.save(start(sha256=sha256(place / "of-the-run.keras")), place / "weights/tiny-x2.keras")
    checkpoint.save(start(), place / "other.keras")
    other = config_of("later-x2", pretrained_model=place / "other.keras")
    for path in ("weights/tiny-x2.keras", "of-the-run.keras"):
        publish.check_recipe("later-x2", config_of("later-x2", pretrained_model=place / path), place / "weights")
    with pytest.raises(InputError, match="which is another model"):
        publish.check_recipe("later-x2", other, place / "weights")
    with pytest.raises(InputError, match="starts with tiny-x2, but the run with None"):
        publish.check_recipe("later-x2", config_of("later-x2"), place / "weights")
    with pytest.raises(InputError, match="Train that model first"):
        publish.check_recipe("later-x2", other, place / "elsewhere")


def test_a_run_that_does_not_follow_the_profile_is_not_published(place):
    publish.check_recipe("tiny-x2", config_of("tiny-x2", outdir="elsewhere", dataset="ours"), place)
    with pytest.raises(InputError, match=r"bundled-tiny-x2: --batch-size is 8 in the run and 16 in the profile\.$"):
        publish.check_recipe("tiny-x2", config_of("tiny-x2", batch_size=8), place)
    with pytest.raises(InputError, match=r"--clipvalue is 2\.0 in the run and 0\.0"):
        publish.check_recipe("tiny-x2", config_of("tiny-x2", clipvalue=2.0), place)
    with pytest.raises(InputError, match=r"--ema is None in the run and 0\.9 in the profile"):
        publish.check_recipe("tiny-x2", config_of("tiny-x2", ema=None), place)


def test_a_run_on_a_benchmark_image_is_not_published(place):
    images.write(place / "benchmark/Set5/e.png", image(1)[::2, ::2])
    with pytest.raises(InputError, match=r"can't be published:\n  .*train/b.png is .*Set5/e.png \(\d bits apart\)"):
        publish_run(place, "tiny-x2", trained(place, "tiny-x2"))
    assert not list(place.glob("weights/*"))


def test_benchmark_images_are_left_out_before_training(place):
    folder = place / "gathered"
    indirs = [place / "images/train"], [place / "images/valid"]
    assert training_images.gather(*indirs, folder, place / "benchmark") == []
    assert len(images.find(folder)) == 3
    images.write(place / "benchmark/Set5/e.jpg", image(0)[:, ::-1])
    ((original, link, _),) = training_images.gather(*indirs, folder, place / "benchmark")
    assert original.name == "e.jpg" and link.endswith("train/train-a.png")
    assert [path.name for path in images.find(folder)] == ["train-b.png", "valid-c.png"]


def test_all_bundled_models_have_the_same_training_images(tmp_path):
    path = tmp_path / "training-pictures.csv"
    ours, others = ([leaks.TrainingImage("train", name, "", "", "", "0")] for name in ("a.png", "b.png"))
    for model in ("first", "second"):
        publish.write_list(path, ours, model)
        (tmp_path / f"{model}.keras").touch()
    with pytest.raises(InputError, match="lists other images"):
        publish.write_list(path, others, "second")
    (tmp_path / "first.keras").unlink()
    publish.write_list(path, others, "second")  # the only model may be trained again on other images
    assert leaks.read(path) == others


def test_a_run_whose_dataset_has_changed_since_is_not_published(place):
    run = trained(place, "tiny-x2")
    os.utime(place / "DATA/DATA_train_HR", (BEGAN + 1, BEGAN + 1))  # as when an image is added or removed
    with pytest.raises(InputError, match="has changed since"):
        publish_run(place, "tiny-x2", run)


def test_the_list_of_images_is_that_of_the_dataset_as_it_is(place):
    manifest = place / "DATA/convert-manifest.jsonl"
    before = manifest.read_text()
    manifest.write_text(before * 2)  # as after a second run
    assert len(training_images.of_dataset(place / "DATA")) == 3
    assert manifest.read_text() == before * 2
    (place / "DATA/DATA_train_HR/b.npy").unlink()
    assert [each.name[-5:] for each in training_images.of_dataset(place / "DATA")] == ["a.png", "c.png"]
    np.save(place / "DATA/DATA_valid_HR/stray.npy", image(5))
    with pytest.raises(InputError, match=r"manifest of .* doesn't list DATA_valid_HR/stray\.npy"):
        training_images.of_dataset(place / "DATA")
    with pytest.raises(InputError, match="isn't a dataset"):
        training_images.of_dataset(place)


@pytest.mark.parametrize("name", publish.MODELS)
def test_every_bundled_model_has_a_profile_that_train_py_takes(name):
    config = config_of(name)
    assert name.startswith(f"{config.model}-{config.num_res_blocks}-") and name.endswith(f"-x{config.scale}")
    assert bool(config.degrade) == (publish.MODELS[name].jpeg is not None)
    assert publish.profile(name).parent == REPOSITORY / "profiles"
