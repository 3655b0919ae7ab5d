"""Tests of exporting checkpoints to files of other formats."""

import hashlib
import importlib.util
import json

import keras
import numpy as np
import pytest

import wdsr_tf
from tests.helpers.exported import VARIANTS, randomized, small
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model, get_architecture, list_models

pytest.importorskip("tensorflow")

from wdsr_tf.export import formats
from wdsr_tf.export.export import Export, aside, check_tile, exact
from wdsr_tf.export.form import Form
from wdsr_tf.export.parity import LIMITS
from wdsr_tf.files import owned, sha256
from wdsr_tf.receptive_field import ReceptiveField

if keras.config.backend() != "tensorflow":
    pytest.skip("some formats need TensorFlow", allow_module_level=True)

INSTALLED = [name for name, form in formats.FORMATS.items() if all(map(importlib.util.find_spec, form.packages))]


def network(name="espcn", scale=2, **how):
    keras.utils.set_random_seed(0)
    return randomized(create_model(name, scale, **small(name) | how))


def runs(path, name):
    return formats.module(name).opened(path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Returns (folder, model, cards) of a weight-normalized network in every format whose packages are installed."""
    folder, model = tmp_path_factory.mktemp("exported"), network("wdsr-a", num_filters=16, weight_norm=True)
    cards, failed = Export(model, "small", sha256="abc").write_all(INSTALLED, folder)
    assert not failed
    return folder, model, cards


def test_every_format_writes_the_model_and_its_card_and_nothing_else(exported):
    folder, _, cards = exported
    expected = {"openvino": {"small.xml", "small.bin"}}
    files = set()
    for name in INSTALLED:
        form = formats.FORMATS[name]
        files |= expected.get(name, {f"small{form.suffix}"}) | {f"small{form.card}.json", f"small{form.card}.md"}
    assert {path.name for path in folder.iterdir()} == files
    assert [card["file_format"] for card in cards] == INSTALLED


@pytest.mark.parametrize("name", [name for name in INSTALLED if not formats.FORMATS[name].is_fixed])
def test_batch_size_height_and_width_are_free(exported, name):
    folder, model, cards = exported
    run = runs(folder / cards[INSTALLED.index(name)]["file"], name)
    for shape in [(1, 1, 1, 3), (3, 9, 14, 3), (1, 20, 3, 3)]:
        lr = np.random.default_rng(0).integers(0, 256, shape).astype("float32")
        expected = keras.ops.convert_to_numpy(model(lr))
        # Sums of a few hundred products in a different order.
        np.testing.assert_allclose(run(lr), expected, atol=5e-3)


def test_the_card_contains_settings_and_parity(exported):
    folder, model, cards = exported
    for card in cards:
        assert json.loads((folder / f"small{formats.FORMATS[card['file_format']].card}.json").read_text()) == card
        assert (card["precision"], card["image"], card["checkpoint_sha256"]) == ("float32", False, "abc")
        assert card["parity"]["limit"] == 1e-2 and card["parity"].keys() >= {"load_seconds", "seconds_per_megapixel"}
        assert {"tiny", "drawn", "noise"} == card["parity"]["pictures"].keys()
        assert card["parameters"] == model.count_params() and card["versions"]["wdsr_tf"]


def test_the_card_contains_size_and_checksum_of_the_files(exported):
    folder, _, cards = exported
    for card in cards:
        hashes = card["sha256"] if isinstance(card["sha256"], dict) else {card["file"]: card["sha256"]}
        for file, digest in hashes.items():
            assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == digest
        assert sum((folder / file).stat().st_size for file in hashes) == card["bytes"]


@pytest.mark.parametrize("name", INSTALLED)
def test_planes_in_0_to_1_of_a_fixed_size_give_the_same_images(exported, tmp_path, name):
    _, model, _ = exported
    form = Form(layout="nchw", value_range="0..1", tile=(20, 24))
    card = Export(model, "planes", form).write(name, tmp_path)
    for end in ("input", "output"):
        assert card[end] == {"layout": "NCHW", "channels": "RGB", "range": [0, 1], "dtype": "float32"}
    assert card["tile"] == [20, 24]
    lr = np.random.default_rng(0).integers(0, 256, (1, 20, 24, 3)).astype("float32")
    planes = runs(tmp_path / card["file"], name)(np.ascontiguousarray((lr / 255).transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(planes.transpose(0, 2, 3, 1) * 255, keras.ops.convert_to_numpy(model(lr)), atol=5e-3)


@pytest.mark.parametrize("name", INSTALLED)
def test_half_precision_and_uint8_images_work_together(exported, tmp_path, name):
    _, model, cards = exported
    card = Export(model, "half", Form(precision="float16", image=True)).write(name, tmp_path)
    assert (card["precision"], card["input"]["dtype"], card["output"]["dtype"]) == ("float16", "uint8", "uint8")
    assert card["parity"]["limit"] == 1
    assert (
        card["bytes"] < cards[INSTALLED.index(name)]["bytes"] - model.count_params()
    )  # 2 bytes each, less names and casts
    lr = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype="uint8")
    sr = runs(tmp_path / card["file"], name)(lr)
    assert sr.dtype == "uint8" and sr.shape == (1, 256, 256, 3)


def test_a_mixed_precision_network_is_exported_in_float32(tmp_path, policy):
    policy("mixed_float16")
    mixed = network()
    card = Export(mixed, "mixed").write("saved_model", tmp_path)
    assert keras.config.dtype_policy().name == "mixed_float16"
    policy("float32")
    exact = create_model(**mixed.recipe)
    exact.set_weights(mixed.get_weights())
    lr = np.random.default_rng(0).integers(0, 256, (1, 6, 7, 3)).astype("float32")
    # Half precision would be off by tenths.
    np.testing.assert_allclose(runs(tmp_path / card["file"], "saved_model")(lr), exact(lr), atol=5e-3)


def test_an_export_that_differs_from_keras_writes_nothing_and_keeps_existing_files(tmp_path, monkeypatch):
    module = formats.module("saved_model")
    opened = module.opened
    monkeypatch.setattr(module, "opened", lambda path: lambda lr: opened(path)(lr) + np.float32(0.02))
    (tmp_path / "there" / "small.saved_model").mkdir(parents=True)
    exporter = Export(network(), "small")
    for folder in ("there", "new"):
        cards, (error,) = exporter.write_all(["saved_model"], tmp_path / folder)
        assert not cards
        assert "Not exported to saved_model: The output differs from Keras by 0.02 of 255" in str(error)
    assert [path.name for path in tmp_path.rglob("*")] == ["there", "small.saved_model"]


def write_aside(outdir, name, text):
    with aside(outdir) as folder:
        (folder / name).mkdir()
        (folder / name / "saved_model.pb").write_text(text)
        (folder / f"{name}.json").write_text(text)


def test_an_older_export_is_replaced(tmp_path):
    for text in ("older", "newer"):
        write_aside(tmp_path, "x.saved_model", text)
    assert {path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {"newer"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.saved_model", "x.saved_model.json"]


def test_abandoned_folders_of_killed_exports_are_removed(tmp_path):
    (tmp_path / ".0123456789abcdef").mkdir()
    (tmp_path / ".0123456789abcdef-lock").touch()  # nobody holds it any more
    with owned(tmp_path) as living:
        living.mkdir()
        write_aside(tmp_path, "x.saved_model", "new")
        assert not [path for path in tmp_path.glob(".*") if not path.name.startswith(living.name)] and living.is_dir()


def test_a_folder_that_is_not_an_export_is_kept(tmp_path):
    (tmp_path / "x.saved_model").mkdir()
    (tmp_path / "x.saved_model" / "letters.txt").write_text("dear")
    with pytest.raises(InputError, match=r"x\.saved_model exists and isn't a SavedModel"):
        write_aside(tmp_path, "x.saved_model", "newer")
    assert [path.name for path in tmp_path.rglob("*")] == ["x.saved_model", "letters.txt"]


@pytest.mark.parametrize(
    "tile, receptive_field, message",
    [
        (
            (16, 8),
            ReceptiveField(radius=4),
            "tile of 16 x 8 pixels is too small.* extends 4 pixels .* at least 9 pixels",
        ),
        ((64, 66), ReceptiveField(radius=28, multiple=4), "tile of 64 x 66 pixels isn't a multiple of 4"),
    ],
)
def test_tiles_that_cannot_be_exact_are_refused(tile, receptive_field, message):
    with pytest.raises(InputError, match=message):
        check_tile(tile, receptive_field)
    check_tile((9, 9), ReceptiveField(radius=4))


def test_a_checkpoint_is_exported_under_its_name_with_its_checksum(tmp_path):
    model = network()
    checkpoint.save(model, tmp_path / "mine.keras")
    (card,) = wdsr_tf.export(tmp_path / "mine.keras", tmp_path / "out", formats=["saved_model"])
    assert card == json.loads((tmp_path / "out" / "mine.saved_model.json").read_text())
    assert card["checkpoint_sha256"] == sha256(tmp_path / "mine.keras")
    (card,) = wdsr_tf.export(model, tmp_path / "out", formats=["saved_model"], half=True)
    assert (card["file"], card["precision"]) == ("espcn-x2.saved_model", "float16")


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="Unknown export format 'onx'"):
        wdsr_tf.export(network(), tmp_path / "out", formats=["saved_model", "onx"])
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name, scale, how", [(n, get_architecture(n).scales[0], {}) for n in list_models()] + VARIANTS)
def test_every_network_is_exported_in_every_format(tmp_path, name, scale, how):
    model = exact(network(name, scale, **how))
    lr = np.random.default_rng(0).integers(0, 256, (1, 40, 40, 3)).astype("float32")
    expected = keras.ops.convert_to_numpy(model(lr))
    # Random weights leave 0..255 by far, and rounding errors grow with the values.
    excess = max(1, np.ptp(expected) / 255)
    for precision in ("float32", "float16"):
        for kind in INSTALLED:
            path = tmp_path / f"{precision}{formats.FORMATS[kind].suffix}"
            formats.module(kind).write(model, path, Form(precision=precision, tile=(40, 40)))
            assert np.abs(runs(path, kind)(lr) - expected).max() <= LIMITS[precision] * excess, kind
