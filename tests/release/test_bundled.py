"""The bundled models do what their cards say, so a change in the code that costs quality is noticed."""

import json

import pytest

from release import figures
from release.publish import COMPUTED, MODELS
from tests.conftest import REPOSITORY
from wdsr_tf import checkpoint, weights
from wdsr_tf.evaluation import datasets
from wdsr_tf.evaluation.measure import measure
from wdsr_tf.inference import routing
from wdsr_tf.inference.upscaler import Upscaler

NAMES = sorted(path.stem for path in weights.FOLDER.glob("*.keras"))
CLOSE = 0.01  # dB: other versions of the libraries and other processors may differ by this much
LARGEST = 25_000_000  # bytes, all files together

each_model = pytest.mark.parametrize("name", NAMES)


def card(name):
    return json.loads((weights.FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@each_model
def test_each_model_has_a_card_that_says_how_it_was_made(name):
    facts = checkpoint.read_config(weights.FOLDER / f"{name}.keras")["facts"]
    written = card(name)
    assert written["name"] == name and written["scale"] == int(name[-1])
    wanted = {"title", "description", "license", "training_data", "recipe", "command", "seconds", "hardware", "figures"}
    assert wanted <= facts.keys()
    measured = {"license", "seconds", "hardware", "figures"}  # the words of the others may improve
    assert wanted <= written.keys() and all(written[key] == facts[key] for key in measured)
    assert written["title"] in (weights.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert ("jpeg" in facts) == (MODELS[name].jpeg is not None)


@each_model
def test_the_figures_on_a_card_are_above_the_floor(name):
    stated = card(name)["figures"]
    assert {key.partition(",")[0] for key in stated} == set(figures.BENCHMARKS)
    for key, figure in stated.items():
        assert figure["psnr"] >= MODELS[name].floor_on(key, figure), key


@each_model
def test_the_psnr_on_a_computed_image_has_not_changed(name):
    expected = json.loads(COMPUTED.read_text(encoding="utf-8"))[name]
    assert figures.on_computed_image(weights.FOLDER / f"{name}.keras") == pytest.approx(expected, abs=CLOSE)


@each_model
def test_the_figures_on_set5_are_those_on_the_card(name, reference):
    found = figures.on_benchmarks(weights.FOLDER / f"{name}.keras", reference / "images" / "benchmark", ["Set5"])
    ((key, figure),) = found.items()
    expected = card(name)["figures"][key]
    assert figure["psnr"] == pytest.approx(expected["psnr"], abs=CLOSE)
    assert figure["ssim"] == pytest.approx(expected["ssim"], abs=CLOSE / 10)


def test_the_default_model_is_better_than_bicubic_by_a_decibel():
    (model,) = routing.passes(routing.find_models())
    assert model.scale == 2 and not model.jpeg
    figure = card(model.name)["figures"]["Set5"]  # which another test measures again
    assert figure["psnr"] >= figure["bicubic"] + 1


MEASURED = [
    (kind, int(scale), rows)
    for kind, scales in json.loads(weights.ROUTES.read_text(encoding="utf-8"))["routes"].items()
    for scale, rows in scales.items()
]


@pytest.mark.parametrize("kind, scale, rows", MEASURED, ids=[f"{kind} x{scale}" for kind, scale, _ in MEASURED])
def test_an_image_takes_the_cheapest_route_within_two_hundredths_of_the_best(kind, scale, rows):
    taken = [model.name for model in routing.passes(routing.find_models(), scale, jpeg=kind == "jpeg")]
    (row,) = [row for row in rows if row["models"] == taken]
    best = max(row["psnr"] for row in rows)
    assert row["psnr"] >= best - 0.02
    assert row["cost"] == min(other["cost"] for other in rows if other["psnr"] >= best - 0.02)
    alone = [[model.name] for model in routing.find_models() if model.scale == scale and not model.jpeg]
    assert all(names in [other["models"] for other in rows] for names in alone)


def test_the_table_of_routes_is_the_measured_one():
    page = (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8")
    for kind, scale, rows in MEASURED:
        (alone,) = [row for row in rows if row["models"] == [f"wdsr-a-8-x{scale}"]]
        figures = [cell for row in (rows[0], alone) for cell in (f"{row['psnr']:.2f}", f"{row['cost']:,}")]
        models = ", ".join(f"`{name}`" for name in rows[0]["models"])
        cells = [{"clean": "clean", "jpeg": "JPEG 75"}[kind], f"x{scale}", models, *figures]
        assert f"| {' | '.join(cells)} |" in page


@pytest.mark.slow
@pytest.mark.parametrize("scale", [3, 4])
def test_the_chosen_route_is_better_than_one_pass_on_images_that_did_not_choose_it(scale, reference):
    def mean_psnr(upscaler):
        folder = reference / "images" / "benchmark" / "Set14"
        return measure("", upscaler.upscale, datasets.of_benchmark(folder, scale), ["paper"]).mean("paper")[0]

    chosen, alone = Upscaler(scale=scale), Upscaler(weights.FOLDER / f"wdsr-a-8-x{scale}.keras", engine="onnx")
    assert mean_psnr(chosen) >= mean_psnr(alone) + 0.2


def test_the_bundled_models_are_small_and_complete_and_nothing_else_is_in_their_folder():
    files = [path for path in weights.FOLDER.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LARGEST
    assert set(NAMES) == MODELS.keys() == json.loads(COMPUTED.read_text(encoding="utf-8")).keys()
    expected = {f"{name}{suffix}" for name in NAMES for suffix in (".keras", ".onnx", ".json", ".md")}
    assert {path.name for path in files} == expected | {
        "__init__.py",
        "routes.json",
        "training-pictures.csv",
        "wdsr_pytorch.py",
    }
