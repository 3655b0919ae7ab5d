import dataclasses
import json

import numpy as np
import pytest

from tests.helpers.engines import Fake
from wdsr_tf import checkpoint, export, images
from wdsr_tf.errors import InputError
from wdsr_tf.importers.load import checkpoint_of
from wdsr_tf.inference import overlap as overlap_module
from wdsr_tf.inference.engines import open_engine
from wdsr_tf.inference.engines.keras import of_model
from wdsr_tf.inference.engines.metadata import describe
from wdsr_tf.inference.overlap import CHOICES, FACT, drawn_image, measure, measured_overlap, overlapping
from wdsr_tf.inference.strips import upscale
from wdsr_tf.inference.upscaler import Upscaler
from wdsr_tf.models import create_model
from wdsr_tf.receptive_field import ReceptiveField

RGB = np.random.default_rng(0).integers(0, 256, (150, 140, 3), dtype="uint8")
DEEP = ReceptiveField(350, bytes_per_pixel=10_000)
SMALL_TILES = str(10_000 * 6_000)  # bytes: 6000 pixels of `DEEP`, less than RGB


class Far(Fake):
    """Adds to each pixel a part of those `distance` pixels away on all four sides; zeros beyond the image."""

    def __init__(self, distance=20, part=0.1, receptive_field=DEEP, **options):
        super().__init__(receptive_field=receptive_field, **options)
        self.distance, self.part = distance, part

    def run(self, batch):
        d = self.distance
        padded = np.pad(batch.astype("float32"), [(0, 0), (d, d), (d, d), (0, 0)])
        height, width = batch.shape[1:3]
        around = sum(padded[:, y : y + height, x : x + width] for y, x in ((0, d), (2 * d, d), (d, 0), (d, 2 * d)))
        return super().run(batch + self.part * around)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("distance, overlap", [(5, 8), (8, 8), (9, 16), (20, 24), (40, 48), (90, 96)])
def test_the_measured_overlap_is_the_smallest_at_which_nothing_changes(distance, overlap):
    assert measure(Far(distance).engine) == (overlap, 0.0)


def test_half_a_level_is_tolerated_and_reported():
    overlap, difference = measure(Far(20, part=0.0005).engine)
    assert overlap == 8 and 0 < difference <= 0.5


def test_the_largest_overlap_is_used_and_said_if_it_is_not_enough():
    lines = []
    assert measured_overlap(Far(110).engine, log=lines.append, name="a.pth") == 96
    assert "a.pth: tiles overlap by 96 pixels; a tiled test image differs from the whole by " in lines[0]
    assert "of 255 at most, and more would need too much memory." in lines[0]


def test_an_overlap_that_cannot_be_measured_is_the_largest():
    lines = []
    assert measured_overlap(Fake(receptive_field=DEEP, limit=100).engine, log=lines.append) == 96
    assert "isn't enough memory to measure" in lines[0]


def test_the_test_image_is_the_same_every_time_and_full_of_contrast():
    image = drawn_image()
    np.testing.assert_array_equal(image, drawn_image())
    assert image.shape == (160, 160, 3) and image.dtype == "uint8" and image.std() > 60


def test_a_measured_overlap_is_kept_by_checksum_and_precision(cache):
    (cache / "a.pth").write_bytes(b"a")
    lines, far = [], Far()
    assert measured_overlap(far.engine, cache / "a.pth", lines.append, "a.pth") == 24
    assert lines == [
        "a.pth: tiles overlap by 24 pixels; a tiled test image differs from the whole by 0 of 255 at most."
    ]
    runs = len(far.tiles)
    (cache / "a.pth").rename(cache / "b.pth")
    assert measured_overlap(far.engine, cache / "b.pth", lines.append, "a.pth") == 24
    assert lines[0] == lines[1] and len(far.tiles) == runs
    measured_overlap(dataclasses.replace(far.engine, precision="int8"), cache / "b.pth", lines.append)
    (cache / "b.pth").write_bytes(b"b")
    measured_overlap(far.engine, cache / "b.pth", lines.append)
    assert len(far.tiles) == 3 * runs
    for broken in ("", "[]", json.dumps({"overlap": 7, "difference": 0}), json.dumps({"overlap": 24})):
        for kept in (cache / "cache/wdsr-tf/overlaps").iterdir():
            kept.write_text(broken)
        assert measured_overlap(far.engine, cache / "b.pth", lines.append) == 24
    assert len(far.tiles) == 7 * runs


def test_a_network_that_sees_far_is_tiled_with_the_measured_overlap():
    far = Far()
    whole = upscale(far.engine, RGB, memory="4GiB")
    assert far.tiles == [(150, 140)]  # nothing was measured
    far.tiles.clear()
    np.testing.assert_array_equal(upscale(far.engine, RGB, memory=SMALL_TILES), whole)
    assert len(far.tiles) >= 2 + 4 and max(map(np.prod, far.tiles[2:])) <= 6000


def test_a_whole_image_that_runs_out_of_memory_is_tiled_with_the_measured_overlap():
    far = Far(limit=26_000)  # the test image fits
    image = np.tile(RGB, (2, 1, 1))
    whole = upscale(Far().engine, image, memory="4GiB")
    np.testing.assert_array_equal(upscale(far.engine, image, memory="4GiB"), whole)
    assert far.refused == 1


def test_radii_up_to_96_are_never_measured():
    far = Far(receptive_field=ReceptiveField(30, bytes_per_pixel=10_000))
    tiled = upscale(far.engine, RGB, memory=str(10_000 * 10_000), overlap=lambda engine: pytest.fail("it was measured"))
    np.testing.assert_array_equal(tiled, upscale(Far().engine, RGB, memory="4GiB"))
    assert len(far.tiles) > 2


def test_a_given_overlap_is_what_tiles_share_up_to_the_radius():
    assert overlapping(Far().engine, 40).receptive_field == dataclasses.replace(DEEP, radius=40)
    assert overlapping(Far().engine, 1000).receptive_field == DEEP
    engine = of_model(create_model("rrdbnet", 4, num_filters=8, num_res_blocks=2, growth=4))
    radius = engine.receptive_field.radius
    assert 20 < radius < 48
    memory = str(engine.receptive_field.bytes_per_pixel * (3 * radius + 4) ** 2)
    whole = upscale(engine, RGB, memory="4GiB")
    exact = upscale(engine, RGB, memory=memory)
    np.testing.assert_allclose(exact, whole, atol=1e-3)
    near = upscale(engine, RGB, memory=memory, overlap=0)
    assert np.abs(near - whole).max() > 0.1


def test_the_default_budget_of_a_network_that_sees_far_follows_its_overlap():
    wide = ReceptiveField(350, bytes_per_pixel=20_000)
    huge = np.lib.stride_tricks.as_strided(RGB, (3000, 3000, 3), (0, 0, 1))
    far = Fake(receptive_field=wide)
    engine = dataclasses.replace(far.engine, free=lambda: 100 * 2**30)
    upscale(engine, huge[:700, :700], overlap=lambda engine: 24)
    assert len(far.tiles) > 1 and max(map(np.prod, far.tiles)) <= (12 * 24) ** 2


@pytest.mark.parametrize("overlap", [-1, 1.5, True, "16"])
def test_an_impossible_overlap_is_refused(overlap):
    with pytest.raises(InputError, match="overlap must be a number of LR pixels"):
        Upscaler(Fake().engine, overlap=overlap)


def test_an_upscaler_measures_once_and_only_if_an_image_needs_tiles():
    lines, far = [], Far()
    upscaler = Upscaler(far.engine, memory=SMALL_TILES, log=lines.append)
    upscaler.upscale(RGB[:20, :20])
    assert len(lines) == 1  # the model that it opened
    upscaler.upscale(RGB)
    upscaler.upscale(RGB)
    assert len(lines) == 2 and "model in memory: tiles overlap by 24 pixels" in lines[1]
    Upscaler(far.engine, memory=SMALL_TILES, overlap=8, log=lines.append).upscale(RGB)
    assert len(lines) == 3


def test_an_upscaler_keeps_the_overlap_of_a_checkpoint(cache, monkeypatch):
    checkpoint.save(create_model("rrdbnet", 2, num_filters=4, num_res_blocks=1, growth=2), cache / "a.keras")
    monkeypatch.setattr("wdsr_tf.inference.overlap.LARGEST", 4)  # the network's radius is above that
    measured = []
    monkeypatch.setattr("wdsr_tf.inference.overlap.measure", lambda engine: measured.append(engine) or measure(engine))
    for _ in range(2):
        lines = []
        Upscaler(cache / "a.keras", engine="keras", memory="3MiB", log=lines.append).upscale(RGB)
        assert sum("tiles overlap by" in line for line in lines) == 1
    assert len(measured) == 1 and len(list((cache / "cache/wdsr-tf/overlaps").iterdir())) == 1


def exported_with_overlap(path, folder, monkeypatch):
    """Exports a checkpoint to ONNX, then upscales with the file, which nothing measures again; the card."""
    (card,) = export(path, folder)
    recorded = {key: card["receptive_field"][key] for key in ("overlap", "difference")}
    assert describe(folder / f"{path.stem}.onnx").facts[FACT] == recorded
    assert f"overlap by {recorded['overlap']} LR pixels" in (folder / f"{path.stem}.onnx.md").read_text()
    monkeypatch.setattr("wdsr_tf.inference.overlap.measure", lambda engine: pytest.fail("it was measured again"))
    lines = []
    engine = open_engine(folder / f"{path.stem}.onnx")
    overlap = measured_overlap(engine, folder / f"{path.stem}.onnx", lines.append, "a.onnx")
    assert overlap == recorded["overlap"]
    (line,) = lines
    assert f"tiles overlap by {overlap} pixels" in line and f"{recorded['difference']:.2g} of 255" in line
    return card


def test_an_export_records_the_overlap_and_the_difference(cache, monkeypatch):
    pytest.importorskip("onnx")
    checkpoint.save(create_model("rrdbnet", 2, num_filters=4, num_res_blocks=1, growth=2), cache / "a.keras")
    (card,) = export(cache / "a.keras", cache / "exact")
    assert "overlap" not in card["receptive_field"] and FACT not in describe(cache / "exact/a.onnx").facts
    monkeypatch.setattr("wdsr_tf.inference.overlap.LARGEST", 4)
    card = exported_with_overlap(cache / "a.keras", cache / "exported", monkeypatch)
    assert card["receptive_field"]["overlap"] in CHOICES and card["receptive_field"]["difference"] <= 0.5


@pytest.mark.slow
def test_real_weights_in_tiles_of_the_measured_overlap_differ_by_half_a_level(reference, cache, monkeypatch):
    weights = reference / "weights/esrgan_family/ncnn/realesrgan-x4plus-anime.param"
    engine = open_engine(checkpoint_of(weights))
    assert engine.receptive_field.radius == 94
    overlap, difference = measure(engine)
    assert 48 <= overlap < 94 and difference <= 0.5
    with monkeypatch.context() as patch:
        patch.setattr("wdsr_tf.inference.overlap.LARGEST", 93)
        card = exported_with_overlap(checkpoint_of(weights), cache / "exported", patch)
    assert card["receptive_field"]["overlap"] == overlap
    assert card["receptive_field"]["difference"] == pytest.approx(difference, abs=1e-3)
    photo = reference / "images/benchmark/Set14/image_SRF_2/img_001_SRF_2_HR.png"
    rgb = images.read(photo)[40:340, 40:136]
    whole = upscale(engine, rgb, memory="4GiB")
    tiles = []
    counted = dataclasses.replace(engine, run=lambda lr: tiles.append(lr.shape) or engine.run(lr))
    tiled = upscale(counted, rgb, memory=str(engine.receptive_field.bytes_per_pixel * 23_000), overlap=overlap)
    assert len(tiles) == 2  # smaller crops are one tile, whose output is equal for no reason
    assert np.abs(tiled - whole).max() <= 0.5
    assert np.abs(images.to_uint8(tiled).astype(int) - images.to_uint8(whole)).max() <= 1


@pytest.mark.parametrize("text", ["[" * 10**5, '{"overlap": 24}', '{"overlap": 24, "difference": NaN}', "9" * 5000])
def test_a_damaged_measurement_is_made_again(cache, text):
    checkpoint.save(create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1), cache / "a.keras")
    assert measured_overlap(Far(20).engine, cache / "a.keras") == 24
    (kept,) = (cache / "cache/wdsr-tf/overlaps").iterdir()
    whole = kept.read_text()
    kept.write_text(text)
    assert measured_overlap(Far(20).engine, cache / "a.keras") == 24
    assert kept.read_text() == whole


@pytest.mark.parametrize("difference", [10**400, -1, "x", None, float("inf")])
def test_a_recorded_overlap_with_an_impossible_difference_is_not_used(difference):
    assert overlap_module._checked({"overlap": 24, "difference": difference}) is None
