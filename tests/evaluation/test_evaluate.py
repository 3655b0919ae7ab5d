import numpy as np
import pytest

from tests.evaluation.test_measure import draw, save_network
from tests.evaluation.test_networks import write_srcnn
from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.evaluate import evaluate

pytestmark = pytest.mark.usefixtures("empty_cache")


@pytest.fixture
def hr(tmp_path):
    """A folder with one HR image of 36 x 40 random pixels."""
    images.write(tmp_path / "hr" / "a.png", np.random.default_rng(0).integers(0, 256, (36, 40, 3), "uint8"))
    return tmp_path / "hr"


def test_loaded_models_and_published_files_are_ranked_together(tmp_path, hr):
    lines, told = [], []
    write_srcnn(tmp_path / "srcnn.npz")
    models = {"ours": save_network(tmp_path / "a.keras", bias=0.0), "published": tmp_path / "srcnn.npz"}
    ranking = evaluate(
        models,
        benchmark=hr,
        protocol=["paper", "krasserm"],
        log=lines.append,
        progress=lambda *facts: told.append(facts),
    )
    assert {row.name: row.architecture for row in ranking.rows} == {"ours": "wdsr-a", "published": "srcnn"}
    assert (ranking.scale, ranking.protocols, ranking.images) == (2, ["paper", "krasserm"], ["a"])
    assert ranking.best == (ranking.rows[0].mean("paper")[0], ranking.rows[0].name)
    assert ranking.failed == {} and ranking.result()["psnr"].keys() == models.keys()
    assert any(line.startswith("PSNR = ") and line.endswith(" for model ours") for line in lines)
    assert any("srcnn.npz" in line and "tensors" in line for line in lines)  # what was recognized and converted
    assert told == [(name, done, 1) for name in ("bicubic", "ours", "published") for done in (0, 1)]


def test_a_loaded_model_has_the_figures_of_its_checkpoint(tmp_path, hr):
    model = save_network(tmp_path / "a.keras")
    loaded, saved = (evaluate(each, benchmark=hr).best[0] for each in (model, tmp_path / "a.keras"))
    assert loaded == pytest.approx(saved, abs=1e-6)
    assert evaluate(model, benchmark=hr).best[0] == loaded  # the model still works after it was measured


def test_ids_are_a_range_or_numbers(tmp_path):
    for i in (1, 2, 3):
        images.write(tmp_path / "hr" / f"{i}.png", np.random.default_rng(i).integers(0, 256, (20, 20, 3), "uint8"))
    model = save_network(tmp_path / "a.keras")
    assert evaluate(model, benchmark=tmp_path / "hr", validation_images="2-3").images == ["2", "3"]
    assert evaluate(model, benchmark=tmp_path / "hr", validation_images=[3, 1]).images == ["3", "1"]


def test_models_that_fail_are_listed_and_an_error_if_none_is_left(tmp_path, hr):
    save_network(tmp_path / "models" / "good.keras")
    (tmp_path / "models" / "bad.keras").write_bytes(b"PK")
    ranking = evaluate(tmp_path / "models", benchmark=hr)
    assert [row.name for row in ranking.rows] == [str(tmp_path / "models" / "good.keras")]
    assert ranking.failed.keys() == {str(tmp_path / "models" / "bad.keras")}
    with pytest.raises(InputError, match=r"None of the models can be measured:\n  .*bad\.keras: "):
        evaluate(tmp_path / "models" / "bad.keras", benchmark=hr)
    save_network(tmp_path / "nan.keras", bias=np.nan)
    with pytest.raises(InputError, match=r"None of the models could be measured:\n  .*nan\.keras: Image a: "):
        evaluate(tmp_path / "nan.keras", benchmark=hr)


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "given: none"),
        ({"dataset": "d", "benchmark": "b"}, "given: dataset and benchmark"),
        ({"lr_dir": "d"}, "given: lr_dir"),
        ({"lr_dir": "d", "hr_dir": "d", "downgrade": "bicubic"}, "downgrade .* Leave it out"),
        ({"lr_dir": "d", "hr_dir": "d", "validation_images": "1-2"}, "range of ids .* Leave it out"),
        ({"benchmark": "b", "jpeg_quality": 0}, "between 1 and 100, not 0"),
        ({"benchmark": "b", "protocol": "papr"}, "Did you mean 'paper'"),
        ({"benchmark": "b", "scale": 3}, "is x2, not x3"),
    ],
)
def test_arguments_that_do_not_fit_are_an_error(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        evaluate(save_network(tmp_path / "a.keras"), **options)


def test_two_folders_and_jpeg_are_recorded(tmp_path):
    draw(tmp_path / "set", [(9, 12)])
    model = save_network(tmp_path / "a.keras")
    ranking = evaluate(model, lr_dir=tmp_path / "set", hr_dir=tmp_path / "set", jpeg_quality=80)
    folder = str(tmp_path / "set")
    assert ranking.data == {"lr_dir": folder, "hr_dir": folder, "jpeg_quality": 80, "jpeg_subsampling": "4:2:0"}
