"""The networks that ship: what their cards say of them holds, so that a change in the code that costs quality shows."""

import json

import pytest

from release import measure as shipped
from release.publish import COMPUTED, NETWORKS
from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint, weights
from wdsr_tf.inference import routing as choose

NAMES = sorted(path.stem for path in weights.FOLDER.glob("*.keras"))
CLOSE = 0.01  # dB: what other versions of the libraries, and other processors, may differ by
LARGEST = 25_000_000  # bytes, of all together

each_that_ships = pytest.mark.parametrize("name", NAMES)


def card(name):
    return json.loads((weights.FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@each_that_ships
def test_a_card_stands_beside_the_network_and_says_how_it_was_made(name):
    facts = checkpoint.read_config(weights.FOLDER / f"{name}.keras")["facts"]
    written = card(name)
    assert written["name"] == name and written["scale"] == int(name[-1])
    wanted = {"title", "description", "license", "training_data", "recipe", "command", "seconds", "hardware", "figures"}
    assert wanted <= facts.keys()
    measured = {"license", "seconds", "hardware", "figures"}  # the words of the others may improve
    assert wanted <= written.keys() and all(written[key] == facts[key] for key in measured)
    assert written["title"] in (weights.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert ("jpeg" in facts) == (NETWORKS[name].jpeg is not None)


@each_that_ships
def test_a_network_reaches_the_floor_by_its_card(name):
    network, figures = NETWORKS[name], card(name)["figures"]
    assert {key.partition(",")[0] for key in figures} == set(shipped.SETS)
    for key, figure in figures.items():
        assert figure["psnr"] >= network.floor_on(key, figure), key


@each_that_ships
def test_a_network_still_reaches_on_a_computed_picture_what_it_did(name):
    expected = json.loads(COMPUTED.read_text(encoding="utf-8"))[name]
    assert shipped.psnr_of_computed(weights.FOLDER / f"{name}.keras") == pytest.approx(expected, abs=CLOSE)


@each_that_ships
def test_a_network_reaches_on_set5_what_its_card_says(name, reference):
    found = shipped.figures(weights.FOLDER / f"{name}.keras", reference / "images" / "benchmark", sets=["Set5"])
    ((key, figure),) = found.items()
    expected = card(name)["figures"][key]
    assert figure["psnr"] == pytest.approx(expected["psnr"], abs=CLOSE)
    assert figure["ssim"] == pytest.approx(expected["ssim"], abs=CLOSE / 10)


def test_the_network_that_serves_without_a_wish_is_better_than_bicubic_by_a_decibel():
    (network,) = choose.passes(choose.networks(weights.FOLDER))
    assert network.scale == 2 and not network.jpeg
    figures = card(network.path.stem)["figures"]["Set5"]  # which another test holds against the pictures
    assert figures["psnr"] >= figures["bicubic"] + 1


def test_a_small_network_never_serves_where_a_better_one_is_there():
    known = choose.networks(weights.FOLDER)
    for factor in (None, 2, 3, 4, 8):
        assert not any("wdsr-b-4" in network.path.name for network in choose.passes(known, factor))


def test_what_ships_is_small_and_nothing_else_lies_beside_it():
    files = [path for path in weights.FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LARGEST
    expected = {f"{name}{suffix}" for name in NAMES for suffix in (".keras", ".json", ".md")}
    beside = {path.name for path in files} - expected
    assert beside <= {"__init__.py", "training-pictures.csv"}
    assert set(NAMES) <= NETWORKS.keys()
    if NAMES:
        assert json.loads(COMPUTED.read_text(encoding="utf-8")).keys() == set(NAMES)


def test_the_package_takes_its_networks_along():
    import tomllib

    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    taken = settings["tool"]["setuptools"]["package-data"]["wdsr_tf.weights"]
    assert {"*.keras", "*.json", "*.md", "*.csv"} <= set(taken)
