import json
import zipfile

import numpy as np
import pytest

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.inference.routing import is_noisy_jpeg, jpeg_quality, networks, passes


def write(folder, **scales):
    """Files that look like checkpoints to whoever reads their recipe."""
    for name, scale in scales.items():
        write_facts(folder, name, scale, {})


def write_facts(folder, name, scale, facts):
    config = {"architecture": "edsr", "scale": scale, "hyperparameters": {}, "facts": facts}
    with zipfile.ZipFile(folder / f"{name}.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"registered_name": "wdsr_tf>SRModel", "config": config}))


def chosen(folder, *what):
    return [network.path.stem for network in passes(networks(folder), *what)]


def test_without_a_wish_the_highest_psnr_runs_once(tmp_path):
    write(tmp_path, **{"epoch-1-psnr-9.5": 2, "epoch-2-psnr-31.25": 4, "epoch-3-psnr-31.0": 2, "epoch-4-psnr-nan": 2})
    assert chosen(tmp_path) == ["epoch-2-psnr-31.25"]


@pytest.mark.parametrize(
    "factor, names",
    [(1, []), (0.5, []), (1.5, ["x2"]), (2, ["x2"]), (3, ["x3"]), (3.5, ["x4"]), (4, ["x4"]), (8, ["x3", "x3"])],
)
def test_the_fewest_passes_are_taken_and_of_those_the_smallest_scale(tmp_path, factor, names):
    write(tmp_path, x2=2, x3=3, x4=4)
    assert chosen(tmp_path, factor) == names


@pytest.mark.parametrize("factor, count", [(8, 3), (8.1, 4), (9.5, 4), (64, 6)])
def test_one_network_runs_as_often_as_needed(tmp_path, factor, count):
    write(tmp_path, x2=2)
    assert chosen(tmp_path / "x2.keras", factor) == ["x2"] * count


def test_noise_is_taken_away_once_and_first(tmp_path):
    write(tmp_path, **{"scale2.0x_model": 2, "noise1_scale2.0x_model": 2, "noise1_model": 1, "noise3_model": 1})
    assert chosen(tmp_path) == ["scale2.0x_model"]
    assert chosen(tmp_path, 4) == ["scale2.0x_model"] * 2
    assert chosen(tmp_path, 4, 1) == ["noise1_scale2.0x_model", "scale2.0x_model"]
    assert chosen(tmp_path, None, 1) == ["noise1_scale2.0x_model"]
    assert chosen(tmp_path, 1, 1) == ["noise1_model"]
    assert chosen(tmp_path, 4, 3) == ["noise3_model", "scale2.0x_model", "scale2.0x_model"]
    with pytest.raises(InputError, match="no network takes away noise of level 2: there are 1, 3"):
        chosen(tmp_path, 2, 2)


def test_what_no_network_can_do_is_said(tmp_path):
    with pytest.raises(InputError, match="there is no trained network"):
        networks(tmp_path / "nowhere")
    write(tmp_path, cleaner=1)
    with pytest.raises(InputError, match="does not enlarge, but a factor of 2 was asked for"):
        chosen(tmp_path, 2)


@pytest.mark.parametrize("scale", ["2", 2.5, 0, None, True])
def test_a_recipe_whose_scale_is_no_whole_number_is_damaged(tmp_path, scale):
    write(tmp_path, forged=scale)
    with pytest.raises(InputError, match=r"its recipe is damaged"):
        networks(tmp_path)


def test_a_broken_file_costs_only_itself(tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"not a complete \.keras file"):
        networks(tmp_path)
    write(tmp_path, whole=2)
    assert chosen(tmp_path) == ["whole"]


def write_shipped(folder):
    """Networks such as ship: they keep their figures and, one of them, that it is for JPEG."""
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
        (1, [], []),
        (1.5, ["wdsr-a-8-x2"], ["wdsr-a-8-q-x2"]),
        (3, ["wdsr-a-8-x3"], ["wdsr-a-8-q-x2", "wdsr-a-8-x2"]),
        (4, ["a-x4"], ["wdsr-a-8-q-x2", "wdsr-a-8-x2"]),
        (8, ["wdsr-a-8-x3", "wdsr-a-8-x3"], ["wdsr-a-8-q-x2", "a-x4"]),
    ],
)
def test_of_what_ships_the_best_serves_and_for_jpeg_the_one_that_was_made_for_it(tmp_path, factor, plain, jpeg):
    write_shipped(tmp_path)
    assert chosen(tmp_path, factor) == plain
    assert chosen(tmp_path, factor, None, True) == jpeg
    if factor != 1:
        assert chosen(tmp_path, factor, 2) == jpeg  # of any level of noise


def test_a_network_for_the_level_of_noise_comes_before_one_for_any_jpeg(tmp_path):
    write_shipped(tmp_path)
    write(tmp_path, **{"noise1_scale2.0x_model": 2})
    assert chosen(tmp_path, 4, 1) == ["noise1_scale2.0x_model", "wdsr-a-8-x2"]
    assert chosen(tmp_path, 2, 3) == ["wdsr-a-8-q-x2"]
    with pytest.raises(InputError, match="a factor of 1 is too small"):
        chosen(tmp_path, 1, 3)


def test_a_jpeg_picture_becomes_as_large_as_any_other(tmp_path):
    write_facts(tmp_path, "q-x2", 2, {"jpeg": [50, 95]})
    assert chosen(tmp_path, None, None, True) == chosen(tmp_path) == ["q-x2"]  # it serves alone, for all
    write(tmp_path, **{"epoch-1-psnr-30.5": 4})
    assert chosen(tmp_path) == ["epoch-1-psnr-30.5"]
    assert chosen(tmp_path, None, None, True) == ["q-x2", "epoch-1-psnr-30.5"]


def test_without_a_network_for_jpeg_such_pictures_are_as_any_other(tmp_path):
    write(tmp_path, x2=2, x3=3)
    assert chosen(tmp_path, 3, None, True) == ["x3"]


@pytest.mark.parametrize("figures", [None, [], {}, {"Set5": None}, {"Set5": {"psnr": "high"}}, {"Set5": {}}, "37"])
def test_figures_that_are_none_do_not_count(tmp_path, figures):
    write_facts(tmp_path, "strange", 2, {"figures": figures})
    write(tmp_path, **{"epoch-1-psnr-1.5": 2})
    assert chosen(tmp_path) == ["epoch-1-psnr-1.5"]


@pytest.mark.parametrize("quality", [20, 30, 50, 75, 85, 91, 94, 100])
def test_the_quality_of_a_jpeg_is_read_from_its_tables(tmp_path, quality):
    images.write(tmp_path / "a.jpg", np.zeros((8, 8, 3), "uint8"), quality)
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")  # its name does not tell
    assert jpeg_quality(tmp_path / "a.png") == pytest.approx(quality, abs=1)
    assert is_noisy_jpeg(tmp_path / "a.png") == (quality < 93)


def test_other_files_have_no_noise_of_jpeg(tmp_path):
    images.write(tmp_path / "a.png", np.zeros((8, 8, 3), "uint8"))
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    for name in ("a.png", "empty.jpg", "cut.jpg"):
        assert jpeg_quality(tmp_path / name) is None and not is_noisy_jpeg(tmp_path / name)
