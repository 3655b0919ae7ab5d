import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import published
from tests.helpers.engines import Fake
from wdsr_tf.errors import InputError
from wdsr_tf.inference.routing import Candidate, find_models, passes, routes


def write(folder, **scales):
    """Files that look like checkpoints to a reader of their configuration."""
    for name, scale in scales.items():
        write_facts(folder, name, scale, {})


def write_facts(folder, name, scale, facts):
    config = {"architecture": "edsr", "scale": scale, "hyperparameters": {}, "facts": facts}
    with zipfile.ZipFile(folder / f"{name}.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"registered_name": "wdsr_tf>SRModel", "config": config}))


def chosen(folder, *what):
    return [model.name for model in passes(find_models(folder), *what)]


def test_by_default_the_model_with_the_highest_psnr_runs_once(tmp_path):
    write(tmp_path, **{"epoch-1-psnr-9.5": 2, "epoch-2-psnr-31.25": 4, "epoch-3-psnr-31.0": 2, "epoch-4-psnr-nan": 2})
    assert chosen(tmp_path) == ["epoch-2-psnr-31.25"]


@pytest.mark.parametrize(
    "factor, names",
    [(1, []), (0.5, []), (1.5, ["x2"]), (2, ["x2"]), (3, ["x3"]), (3.5, ["x4"]), (4, ["x4"]), (8, ["x3", "x3"])],
)
def test_the_fewest_passes_win_then_the_smallest_scale(tmp_path, factor, names):
    write(tmp_path, x2=2, x3=3, x4=4)
    assert chosen(tmp_path, factor) == names


@pytest.mark.parametrize("factor, count", [(8, 3), (8.1, 4), (9.5, 4), (64, 6)])
def test_one_model_runs_as_often_as_needed(tmp_path, factor, count):
    write(tmp_path, x2=2)
    assert chosen(tmp_path / "x2.keras", factor) == ["x2"] * count


def test_noise_is_removed_once_and_first(tmp_path):
    write(tmp_path, **{"scale2.0x_model": 2, "noise1_scale2.0x_model": 2, "noise1_model": 1, "noise3_model": 1})
    assert chosen(tmp_path) == ["scale2.0x_model"]
    assert chosen(tmp_path, 4) == ["scale2.0x_model"] * 2
    assert chosen(tmp_path, 4, 1) == ["noise1_scale2.0x_model", "scale2.0x_model"]
    assert chosen(tmp_path, None, 1) == ["noise1_scale2.0x_model"]
    assert chosen(tmp_path, 1, 1) == ["noise1_model"]
    assert chosen(tmp_path, 4, 3) == ["noise3_model", "scale2.0x_model", "scale2.0x_model"]
    with pytest.raises(InputError, match=r"No model removes noise of level 2. Levels: 1, 3"):
        chosen(tmp_path, 2, 2)


def test_what_no_model_can_do_is_refused(tmp_path):
    with pytest.raises(InputError, match="has no checkpoints"):
        find_models(tmp_path)
    with pytest.raises(InputError, match="nowhere"):
        find_models(tmp_path / "nowhere")
    with pytest.raises(InputError, match="must be a file, a folder or an SRModel, not int"):
        find_models(2)
    write(tmp_path, cleaner=1)
    with pytest.raises(InputError, match="cleaner doesn't upscale, but the scale is 2"):
        chosen(tmp_path, 2)


def test_a_weights_file_offers_all_its_scales_and_has_no_default_among_several(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    np.savez(tmp_path / "carn.npz", **published.EVERY["carn-m all"].arrays)
    models = find_models(tmp_path / "carn.npz")
    assert [(model.scale, model.is_published) for model in models] == [(2, True), (3, True), (4, True)]
    assert [model.scale for model in passes(models, 3)] == [3]
    assert [model.scale for model in passes(models, 8)] == [3, 3]
    with pytest.raises(InputError, match=r"carn\.npz can be used for the scales 2, 3, 4; pass scale, such as 2"):
        passes(models)


def test_a_model_in_memory_is_the_only_candidate():
    engine = Fake(scale=3).engine
    assert find_models(engine) == [Candidate(engine, 3)]
    assert find_models(engine)[0].name == "fake"


@pytest.mark.parametrize("scale", ["2", 2.5, 0, None, True])
def test_a_checkpoint_whose_scale_is_no_whole_number_is_damaged(tmp_path, scale):
    write(tmp_path, forged=scale)
    with pytest.raises(InputError, match=r"forged.keras: its recipe is damaged"):
        find_models(tmp_path)


def test_a_broken_file_costs_only_itself(tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"broken\.keras"):
        find_models(tmp_path)
    write(tmp_path, whole=2)
    assert chosen(tmp_path) == ["whole"]


def write_bundled(folder):
    """Models like the bundled ones: they keep their figures and, one of them, that it is for JPEG."""
    for name, scale, psnr in (
        ("small-x2", 2, 36.1),
        ("wdsr-a-8-x2", 2, 37.1),
        ("wdsr-a-8-x3", 3, 33),
        ("a-x4", 4, 31),
    ):
        write_facts(folder, name, scale, {"figures": {"Set5": {"psnr": psnr}, "Set14": {"psnr": 50.0}}})
    figures = {"Set5, JPEG 75": {"psnr": 45.0}}  # more than any other, but on other pictures
    write_facts(folder, "wdsr-a-8-q-x2", 2, {"figures": figures, "jpeg": [50, 95]})


@pytest.mark.parametrize(
    "factor, plain, jpeg",
    [
        (None, ["wdsr-a-8-x2"], ["wdsr-a-8-q-x2"]),
        (0.5, [], []),
        (0.75, [], ["wdsr-a-8-q-x2"]),
        (1, [], ["wdsr-a-8-q-x2"]),  # cleaned, then reduced
        (1.5, ["wdsr-a-8-x2"], ["wdsr-a-8-q-x2"]),
        (3, ["wdsr-a-8-x3"], ["wdsr-a-8-q-x2", "wdsr-a-8-x2"]),
        (4, ["a-x4"], ["wdsr-a-8-q-x2", "wdsr-a-8-x2"]),
        (8, ["wdsr-a-8-x3", "wdsr-a-8-x3"], ["wdsr-a-8-q-x2", "a-x4"]),
    ],
)
def test_the_best_bundled_model_is_used_and_for_jpeg_the_one_for_jpeg(tmp_path, factor, plain, jpeg):
    write_bundled(tmp_path)
    assert chosen(tmp_path, factor) == plain
    assert chosen(tmp_path, factor, None, True) == jpeg
    if factor != 0.5:
        assert chosen(tmp_path, factor, 2) == jpeg  # of any level of noise


def test_a_model_for_the_noise_level_comes_before_one_for_any_jpeg(tmp_path):
    write_bundled(tmp_path)
    write(tmp_path, **{"noise1_scale2.0x_model": 2})
    assert chosen(tmp_path, 4, 1) == ["noise1_scale2.0x_model", "wdsr-a-8-x2"]
    assert chosen(tmp_path, 2, 3) == ["wdsr-a-8-q-x2"]
    assert chosen(tmp_path, 0.5, 3) == ["wdsr-a-8-q-x2"]  # a level that was asked for is removed at any scale


def test_a_jpeg_gets_as_large_as_any_other_image(tmp_path):
    write_facts(tmp_path, "q-x2", 2, {"jpeg": [50, 95]})
    assert chosen(tmp_path, None, None, True) == chosen(tmp_path) == ["q-x2"]  # the only one, for all
    write(tmp_path, **{"epoch-1-psnr-30.5": 4})
    assert chosen(tmp_path) == ["epoch-1-psnr-30.5"]
    assert chosen(tmp_path, None, None, True) == ["q-x2", "epoch-1-psnr-30.5"]


def test_without_a_model_for_jpeg_jpegs_are_treated_like_other_images(tmp_path):
    write(tmp_path, x2=2, x3=3)
    assert chosen(tmp_path, 3, None, True) == ["x3"]


@pytest.mark.parametrize("figures", [None, [], {}, {"Set5": None}, {"Set5": {"psnr": "high"}}, {"Set5": {}}, "37"])
def test_invalid_figures_do_not_count(tmp_path, figures):
    write_facts(tmp_path, "strange", 2, {"figures": figures})
    write(tmp_path, **{"epoch-1-psnr-1.5": 2})
    assert chosen(tmp_path) == ["epoch-1-psnr-1.5"]


def route(table, factor):
    return next(entry["models"] for entry in table if factor <= entry["up_to"])


@pytest.mark.parametrize("bundled", [True, False])
def test_the_routes_as_data_equal_what_passes_chooses(tmp_path, bundled):
    if not bundled:
        write_bundled(tmp_path)
        write(tmp_path, **{"epoch-1-psnr-40.5": 5})
    models = find_models(None if bundled else tmp_path)
    table = json.loads(json.dumps(routes(models)))
    factors = [*np.exp(np.random.default_rng(0).uniform(np.log(0.5), np.log(64), 300)), *range(1, 65)]
    for factor in map(float, factors):
        assert route(table["clean"], factor) == [model.name for model in passes(models, factor)]
        assert route(table["jpeg"], factor) == [model.name for model in passes(models, factor, jpeg=True)]
        assert route(table["denoise"], factor) == [model.name for model in passes(models, factor, noise=1)]
    assert table["noise"] == 1
    (default,) = passes(models)
    assert table["scale"] == default.scale and table["jpeg_below"] == 93
    assert table["clean"][0] == {"up_to": 1, "models": []}
    assert table["jpeg"][0] == {"up_to": 0.5, "models": []}


def test_the_bundled_models_are_the_default():
    assert {model.source for model in find_models()} == set(Path(find_models()[0].source).parent.glob("*.keras"))
