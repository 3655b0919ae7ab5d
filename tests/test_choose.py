import json
import zipfile

import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.inference.choose import networks, passes


def write(folder, **scales):
    """Files that look like checkpoints to whoever reads their recipe; `-` of names is typed as `_`."""
    for name, scale in scales.items():
        config = {"architecture": "edsr", "scale": scale, "hyperparameters": {}}
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
    with pytest.raises(InputError, match=r"not a whole \.keras file"):
        networks(tmp_path)
    write(tmp_path, whole=2)
    assert chosen(tmp_path) == ["whole"]
