"""What an epoch is validated on, and that bench.py agrees."""

import dataclasses
import math

import keras
import numpy as np
import pytest

from tests.helpers.pictures import write_pairs
from tests.helpers.runs import write_dataset
from wdsr_tf import checkpoint
from wdsr_tf.data.assemble import Data
from wdsr_tf.data.feed import Batches
from wdsr_tf.data.variations import Variations
from wdsr_tf.evaluation.datasets import ImagePairs
from wdsr_tf.evaluation.evaluate import evaluate
from wdsr_tf.models import create_model
from wdsr_tf.training import trainer, validation
from wdsr_tf.training.callbacks import bicubic_psnr
from wdsr_tf.training.config import TrainingConfig
from wdsr_tf.training.train import train
from wdsr_tf.training.validation import CROPS, FULL, Crops, FullImages, choose

SMALL = {
    "model": "wdsr-a",
    "num_filters": 4,
    "num_res_blocks": 1,
    "steps_per_epoch": 2,
    "batch_size": 2,
    "lr_patch_size": 12,
    "epochs": 1,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("toy"))


def chosen(dataset, recorded=None, **settings):
    """What `choose` returns for a config, and the lines that it logs."""
    lines = []
    config = TrainingConfig(dataset=dataset, **{**SMALL, **settings})
    data = Data(dataset, lr_patch_size=config.lr_patch_size, batch_size=config.batch_size, seed=config.seed)
    return choose(config, data, recorded, lines.append), lines


def test_full_images_are_the_default_where_they_take_a_twentieth_of_an_epoch(dataset):
    pixels = 2 * 36 * 42  # of the LR images
    steps = math.ceil(pixels / (0.05 * 3 * 2 * 12**2))
    found, lines = chosen(dataset, steps_per_epoch=steps)
    assert (found.kind, lines) == (FULL, [])
    assert str(found).startswith("2 full-size images; RGB, no border, float output; bench.py's protocol krasserm")
    found, (line,) = chosen(dataset, steps_per_epoch=steps - 1)
    assert found.kind == CROPS
    assert "about 5% of an epoch" in line and "validation=full-images" in line
    assert chosen(dataset, steps_per_epoch=steps, precision="mixed_bfloat16")[0].kind == CROPS  # measured in float32


@pytest.mark.parametrize(
    "settings, kind",
    [
        ({"validation": FULL}, FULL),
        ({"benchmark": True}, FULL),
        ({"recorded": FULL}, FULL),
        ({"recorded": CROPS, "steps_per_epoch": 1000}, CROPS),
        ({"recorded": FULL, "validation": CROPS}, CROPS),
        ({"validation_steps": 7, "steps_per_epoch": 1000}, CROPS),
    ],
)
def test_what_is_set_or_recorded_decides(dataset, settings, kind):
    assert chosen(dataset, **settings)[0].kind == kind


def test_crops_do_not_depend_on_the_runs_seed(dataset):
    (one, _), (other, _) = (chosen(dataset, validation_steps=2, seed=seed) for seed in (0, 7))
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours[1], theirs[1])
    assert str(one).startswith("4 crops of 24 x 24 HR pixels, the same in each epoch and run; RGB, no border")


def test_crops_are_of_hr_as_it_is_even_if_training_varies_it(dataset):
    config = TrainingConfig(dataset=dataset, **SMALL, validation_steps=2)
    plain = Data(dataset, recipe="waifu2x-pytorch-v1,level=0", lr_patch_size=12, batch_size=2)
    varied = dataclasses.replace(plain, variations=Variations(overlay=1.0, unsharp_mask=1.0))
    one, other = (choose(config, data, None, None) for data in (plain, varied))
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_each_process_measures_its_part_of_the_crops_and_bicubic_all(dataset):
    config = TrainingConfig(dataset=dataset, **SMALL, validation_steps=2)
    data = Data(dataset, lr_patch_size=12, batch_size=2)
    whole = choose(config, data, None, None)
    parts = [choose(config, dataclasses.replace(data, part=(i, 2)), None, None) for i in range(2)]
    assert [len(lr) for part in parts for lr, _ in part.batches] == [1] * 4
    assert {bicubic_psnr(each) for each in (whole, *parts)} == {bicubic_psnr(whole)}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_bench_agrees_with_the_figure_in_a_checkpoints_name(dataset, tmp_path, precision):
    settings = {**SMALL, "precision": precision, "validation": FULL, "ema": 0.5, "learning_rate": 1e-3}
    run = train(TrainingConfig(dataset=dataset, outdir=tmp_path, **settings), log=None)
    (row,) = run.history
    ranking = evaluate([run.models], dataset=dataset)
    figures = {found.name: found.mean("krasserm")[0] for found in ranking.rows}
    assert len(figures) == 2  # raw and averaged weights
    for path in run.models.iterdir():
        named = row["ema_psnr" if path.stem.endswith("-ema") else "val_psnr"]
        assert figures[str(path)] == pytest.approx(named, abs=0.005)
        assert f"{named:.4f}" in path.name
        assert checkpoint.read_config(path)["facts"]["validation"].startswith("full-images: 2 full-size images; RGB")
    assert ranking.bicubic.mean("krasserm")[0] == pytest.approx(row["bicubic_psnr"], abs=1e-4)
    assert "--validation=full-images" in run.args.read_text().splitlines()


def test_a_resumed_run_keeps_its_validation(dataset, tmp_path):
    config = TrainingConfig(dataset=dataset, outdir=tmp_path, **SMALL, validation=FULL)
    run, lines = train(config, log=None), []
    train(dataclasses.replace(config, validation=None, epochs=2), resume=run, log=lines.append)
    assert "--validation=full-images" in run.args.read_text().splitlines()
    assert not [line for line in lines if "don't compare" in line]
    train(dataclasses.replace(config, validation=CROPS, validation_steps=1, epochs=3), resume=run, log=lines.append)
    assert [line for line in lines if line.startswith("Validation was on full-images, and is on crops now")]


def network(variant="official"):
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1, variant=variant)
    trainer.compile_model(model, "sgd", "mae")
    return model


def images(tmp_path, *sizes):
    """Full images of these LR sizes."""
    pairs = [write_pairs(_made(tmp_path / f"{h}-{w}"), 1, height=h, width=w)[0] for h, w in sizes]
    return FullImages(ImagePairs(pairs, 2, {}))


def _made(folder):
    folder.mkdir()
    return folder


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX compiles for each size")
def test_images_of_many_sizes_are_traced_once(tmp_path, monkeypatch):
    validated, model, traced = images(tmp_path, (6, 5), (7, 9), (12, 8)), network(), []
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda self, *a, **k: traced.append(a[0].shape) or call(self, *a, **k))
    for _ in range(2):
        validated.measure(model)
    assert [tuple(shape) for shape in traced] == [(None, None, None, 3)]


def test_full_images_and_crops_of_them_measure_alike(tmp_path):
    validated, model = images(tmp_path, (8, 6)), network("krasserm")
    ((lr, hr),) = validated
    crops = Crops(Batches(lambda k: (lr, hr), 1))
    assert validated.measure(model) == pytest.approx(crops.measure(model), abs=1e-4)
    assert bicubic_psnr(validated) == bicubic_psnr(crops)


def test_an_output_that_is_not_finite_is_nan_and_ends_nothing(tmp_path):
    model = network()
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    assert np.isnan(list(images(tmp_path, (6, 5)).measure(model).values())).all()


def test_the_words_of_the_setting_are_the_kinds():
    from wdsr_tf.training.config import VALIDATIONS

    assert VALIDATIONS == (validation.FULL, validation.CROPS)
