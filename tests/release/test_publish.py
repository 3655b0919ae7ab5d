"""The networks that ship, from a run to a file with its card; the run is of a network too small to be of use."""

import functools
import json
import os

import keras
import numpy as np
import pytest

pytest.importorskip("tensorboard")  # whose log says how long a training took
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import RecordWriter

from release import leaks, publish
from release import pictures as ship_pictures
from release.publish import Shipped
from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint, images
from wdsr_tf.data.pairs import make_pairs
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model
from wdsr_tf.training.run import Run

BEGAN = 4102444800  # in 2100
PROFILE = "--model=wdsr-a\n--num-filters=4\n--num-res-blocks=1\n--scale=2\n--epochs=1\n--ema=0.9\n--schedule=cosine\n"

profile_args = functools.cache(publish.profile_args)  # a process each


def picture(seed):
    """Smooth noise, another one for each seed."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype="uint8")
    return np.kron(rough, np.ones((16, 16, 1), "uint8"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with pictures to train on, their dataset, two benchmarks, and the profiles of two tiny networks."""
    for seed, name in enumerate(("pictures/train/a", "pictures/train/b", "pictures/valid/c")):
        images.write(tmp_path / f"{name}.png", picture(seed))
    (tmp_path / "pictures/train/MANIFEST.tsv").write_text("file\tauthor\tlicense\na.png\tAnn Author\tCC0-1.0\n")
    make_pairs(tmp_path / "pictures", tmp_path / "DATA", (2,), name="DATA", lr_patch_size=8, jobs=1)
    for seed, name in enumerate(("Set5", "Set14"), start=10):
        images.write(tmp_path / f"benchmark/{name}/d.png", picture(seed))
    (tmp_path / "profiles").mkdir()
    for name in ("tiny-x2", "later-x2"):
        (tmp_path / f"profiles/bundled-{name}").write_text(PROFILE)
    networks = {
        "tiny-x2": Shipped("tiny x2", "For a test.", {"Set5": 99.0, "Set14": -99.0}),
        "later-x2": Shipped("tiny x2, later", "For a test.", {"Set5": 0, "Set14": 0}, start="tiny-x2", jpeg=(50, 95)),
    }
    monkeypatch.setattr(publish, "NETWORKS", networks)
    monkeypatch.setattr(publish, "PROFILES", tmp_path / "profiles")
    monkeypatch.setattr(publish, "COMPUTED", tmp_path / "computed.json")
    monkeypatch.setattr(publish, "profile_args", lambda name: dict(profile_args(name)))
    return tmp_path


def write_log(run, *sessions):
    """Event files of TensorBoard with an event at each of the times of a session."""
    run.log.mkdir()
    for i, times in enumerate(sessions):
        with (run.log / f"events.out.tfevents.{i}").open("wb") as file:
            for time in times:
                RecordWriter(file).write(Event(wall_time=time, step=1).SerializeToString())


def trained(place, name, **other):
    """A run as train.py leaves it: args.txt, and two checkpoints, of which the average of the weights is better.

    It began in the year 2100, behind all that may be done to its data set, and paused between its sessions.
    """
    run = Run.start(place / "output" / name, [])
    args = publish.profile_args(name) | other
    run.write_args([f"--{flag}={value}" for flag, value in args.items()])
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


def test_a_run_becomes_a_network_with_its_card(place, capsys):
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
    assert "2 pictures to train on: 2 pictures of train (CC0-1.0 1, license not stated 1)" in facts["training_data"]
    assert "1 epochs of 1000 steps" in facts["recipe"] and "fresh weights" in facts["recipe"]
    assert "after epoch 2, where validation PSNR was highest: moving average of the weights with 0.9" in facts["recipe"]
    assert list(facts["figures"]) == ["Set5", "Set14"]
    assert facts["figures"]["Set5"].keys() == {"psnr", "ssim", "bicubic", "protocol"}
    said = capsys.readouterr().out
    assert "floor of 99.00 is MISSED" in said and "floor of -99.00 is reached" in said

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


def test_the_recipe_says_where_the_average_of_the_weights_was_not_the_best(place):
    args = publish.profile_args("tiny-x2")
    recipe = publish.recipe("tiny-x2", args, {"epoch": 1})
    assert "after epoch 1" in recipe and "weights as they were, not their moving average with 0.9" in recipe


def test_a_network_for_jpeg_is_measured_on_jpeg(place):
    checkpoint.save(start(), place / "weights/tiny-x2.keras")
    publish_run(place, "later-x2", trained(place, "later-x2", pretrained_model=place / "weights/tiny-x2.keras"))
    facts = checkpoint.read_config(place / "weights/later-x2.keras")["facts"]
    assert facts["jpeg"] == [50, 95] and list(facts["figures"]) == ["Set5, JPEG 75", "Set14, JPEG 75"]
    assert len(facts["command"]) == 2 and "tiny-x2" in facts["command"][0]


def start(**facts):
    """A network for another to begin with."""
    model = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    model.facts = {"sha256": "0" * 64} | facts
    return model


def test_a_network_begins_with_the_one_that_ships_or_what_that_was_made_of(place):
    checkpoint.save(start(), place / "of-the-run.keras")
    checkpoint.save(start(sha256=leaks.sha256(place / "of-the-run.keras")), place / "weights/tiny-x2.keras")
    checkpoint.save(start(), place / "other.keras")
    args = publish.profile_args("later-x2")
    for path in ("weights/tiny-x2.keras", "of-the-run.keras"):
        publish.check_recipe("later-x2", args | {"pretrained_model": str(place / path)}, place / "weights")
    with pytest.raises(InputError, match="which is another network"):
        publish.check_recipe("later-x2", args | {"pretrained_model": str(place / "other.keras")}, place / "weights")
    with pytest.raises(InputError, match="begins with tiny-x2, but the run with None"):
        publish.check_recipe("later-x2", args, place / "weights")
    with pytest.raises(InputError, match="ship that one first"):
        publish.check_recipe("later-x2", args | {"pretrained_model": str(place / "other.keras")}, place / "elsewhere")


def test_a_run_with_other_flags_than_the_profile_is_not_published(place):
    args = publish.profile_args("tiny-x2")
    publish.check_recipe("tiny-x2", args | {"outdir": "elsewhere", "dataset": "ours"}, place)
    with pytest.raises(InputError, match=r"other flags: --batch-size is 8 in the run and 16 in the profile$"):
        publish.check_recipe("tiny-x2", args | {"batch_size": "8"}, place)
    with pytest.raises(InputError, match=r"--clipvalue is 2\.0 in the run and None"):
        publish.check_recipe("tiny-x2", args | {"clipvalue": "2.0"}, place)
    del args["ema"]
    with pytest.raises(InputError, match=r"--ema is None in the run and 0\.9 in the profile"):
        publish.check_recipe("tiny-x2", args, place)


def test_a_run_on_a_picture_of_a_benchmark_is_not_published(place):
    images.write(place / "benchmark/Set5/e.png", picture(1)[::2, ::2])
    with pytest.raises(InputError, match=r"is not published:\n  .*train/b.png is .*Set5/e.png \(\d bits apart\)"):
        publish_run(place, "tiny-x2", trained(place, "tiny-x2"))
    assert not list(place.glob("weights/*"))


def test_pictures_of_the_benchmarks_are_left_out_before_training(place):
    folder = place / "gathered"
    indirs = [place / "pictures/train"], [place / "pictures/valid"]
    assert ship_pictures.gather(*indirs, folder, place / "benchmark") == []
    assert len(images.find(folder)) == 3
    images.write(place / "benchmark/Set5/e.jpg", picture(0)[:, ::-1])
    ((original, link, _),) = ship_pictures.gather(*indirs, folder, place / "benchmark")
    assert original.name == "e.jpg" and link.endswith("train/train-a.png")
    assert [path.name for path in images.find(folder)] == ["train-b.png", "valid-c.png"]


def test_other_pictures_beside_other_networks_are_refused(tmp_path):
    path = tmp_path / "training-pictures.csv"
    ours, others = ([leaks.Seen("train", name, "", "", "", "0")] for name in ("a.png", "b.png"))
    for network in ("first", "second"):
        publish.write_pictures(path, ours, network)
        (tmp_path / f"{network}.keras").touch()
    with pytest.raises(InputError, match="lists other pictures"):
        publish.write_pictures(path, others, "second")
    (tmp_path / "first.keras").unlink()
    publish.write_pictures(path, others, "second")  # alone it may be trained again with others
    assert leaks.read(path) == others


def test_a_run_whose_pictures_have_changed_since_is_not_published(place):
    run = trained(place, "tiny-x2")
    os.utime(place / "DATA/DATA_train_HR", (BEGAN + 1, BEGAN + 1))  # as when a picture comes or goes
    with pytest.raises(InputError, match="has changed since"):
        publish_run(place, "tiny-x2", run)


def test_the_list_of_pictures_is_that_of_the_dataset_as_it_is(place):
    manifest = place / "DATA/convert-manifest.jsonl"
    before = manifest.read_text()
    manifest.write_text(before * 2)  # as after a second run
    assert len(ship_pictures.of_dataset(place / "DATA")) == 3
    assert manifest.read_text() == before * 2
    (place / "DATA/DATA_train_HR/b.npy").unlink()
    assert [each.name[-5:] for each in ship_pictures.of_dataset(place / "DATA")] == ["a.png", "c.png"]
    np.save(place / "DATA/DATA_valid_HR/stray.npy", picture(5))
    with pytest.raises(InputError, match=r"nothing tells what DATA_valid_HR/stray\.npy was made from"):
        ship_pictures.of_dataset(place / "DATA")
    with pytest.raises(InputError, match="is no dataset"):
        ship_pictures.of_dataset(place)


@pytest.mark.parametrize("name", publish.NETWORKS)
def test_every_network_that_ships_has_a_profile_that_train_py_takes(name):
    args = publish.profile_args(name)
    assert name.startswith(f"{args['model']}-{args['num_res_blocks']}-") and name.endswith(f"-x{args['scale']}")
    assert ("degrade" in args) == (publish.NETWORKS[name].jpeg is not None)
    assert publish.profile(name).parent == REPOSITORY / "profiles"
