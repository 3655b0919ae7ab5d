"""Training from Python, several times in one process."""

import io
import random
import subprocess
import sys
import textwrap
import zipfile

import keras
import numpy as np
import pytest

from tests.conftest import REPOSITORY
from tests.helpers.runs import numbers, write_dataset
from wdsr_tf.errors import InputError
from wdsr_tf.training import optimizers
from wdsr_tf.training.config import TrainingConfig
from wdsr_tf.training.run import Run
from wdsr_tf.training.train import find_batch, train

SMALL = {
    "model": "dcscn",  # has dropout
    "hyperparameters": {"num_layers": 3, "nin_filters": 4, "nin_filters_2": 4, "num_filters": 8, "min_filters": 4},
    "steps_per_epoch": 3,
    "validation_steps": 1,
    "batch_size": 2,
    "lr_patch_size": 12,
    "epochs": 2,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("toy"))


def test_equal_configs_give_equal_bits_in_one_process_and_in_two(dataset, tmp_path, policy, keras_random):
    first = train(TrainingConfig(**SMALL, dataset=dataset, outdir=tmp_path / "first"), log=None)

    policy("mixed_bfloat16")
    random.seed(7)
    np.random.seed(7)
    before = random.getstate(), np.random.get_state()[1].tolist()
    second = train(TrainingConfig(**SMALL, dataset=dataset, outdir=tmp_path / "second"), log=None)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    assert keras.config.dtype_policy().name == "mixed_bfloat16"

    program = f"""
    from wdsr_tf.training.config import TrainingConfig
    from wdsr_tf.training.train import train
    config = TrainingConfig(**{SMALL}, dataset={str(dataset)!r}, outdir={str(tmp_path / "third")!r})
    print(train(config, log=None).folder)
    """
    argv = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    third = Run(done.stdout.splitlines()[-1])

    expected = numbers(first.state, tmp_path)
    for run in (second, third):
        found = numbers(run.state, tmp_path)
        assert found.keys() == expected.keys()
        assert [name for name in found if not np.array_equal(found[name], expected[name])] == []
        assert run.history == first.history


def test_a_notebook_trains_and_gets_the_run_back(dataset, tmp_path):
    lines = []
    config = TrainingConfig(
        model="wdsr-a",
        scale=2,
        dataset=dataset,
        epochs=2,
        outdir=tmp_path,
        num_filters=4,
        num_res_blocks=1,
        steps_per_epoch=2,
        validation_steps=1,
        batch_size=2,
        lr_patch_size=12,
        write_samples=3,
    )
    run = train(config, log=lines.append)
    assert sorted(path.name for path in (run.folder / "samples").iterdir()) == ["001.png", "002.png", "003.png"]
    assert [row["epoch"] for row in run.history] == [1, 2]
    assert run.best.name == f"epoch-{1 + np.argmax([row['val_psnr'] for row in run.history]):03d}" + run.best.name[9:]
    assert run.best.is_file() and run.best.parent == run.models

    (chosen,) = [line for line in lines if line.startswith("Precision: ")]
    policy = chosen.split()[1].strip(",")
    assert f"--precision={policy}" in run.args.read_text().splitlines()  # so that it replays on another machine
    assert len([line for line in lines if line.startswith("epoch ")]) == 2

    longer = train(TrainingConfig(**{**vars(config), "epochs": 3}), resume=True, log=None)
    assert longer.folder == run.folder
    assert len(run.history) == 3


def test_a_training_that_fails_restores_the_policy_and_leaves_nothing(dataset, tmp_path, policy):
    policy("mixed_float16")
    with pytest.raises(InputError, match="wdsr-a"):
        train(TrainingConfig(model="wdsr-aa", dataset=dataset, lr_patch_size=12, outdir=tmp_path / "out"), log=None)
    assert keras.config.dtype_policy().name == "mixed_float16"
    assert not (tmp_path / "out").exists()


def test_an_adversarial_run_resumes_to_the_bit_and_publishes_generators(dataset, tmp_path):
    settings = {"model": "edsr", "scale": 2, "dataset": dataset, "num_filters": 4, "num_res_blocks": 1, "ema": 0.9}
    settings |= {"steps_per_epoch": 2, "validation_steps": 1, "batch_size": 2, "lr_patch_size": 12}
    settings |= {"adversarial": "vanilla", "discriminator_filters": 4, "r1": 1.0, "gradient_penalty": 1.0}
    lines = []
    whole = train(TrainingConfig(**settings, epochs=2, outdir=tmp_path / "whole"), log=lines.append)
    assert [line for line in lines if line.startswith("Adversarial training from fresh weights seldom")]
    train(TrainingConfig(**settings, epochs=1, outdir=tmp_path / "part"), log=None)
    resumed = train(TrainingConfig(**settings, epochs=2, outdir=tmp_path / "part"), resume=True, log=None)
    ours, theirs = ({**numbers(run.state, tmp_path), **discriminator_in(run.state)} for run in (resumed, whole))
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not np.array_equal(ours[name], theirs[name])] == []
    assert resumed.history == whole.history
    assert resumed.best.name == "epoch-0002-ema.keras"
    assert discriminator_in(resumed.state) and not discriminator_in(resumed.models / "epoch-0002.keras")
    with pytest.raises(InputError, match="another discriminator"):
        more = settings | {"discriminator_filters": 8, "epochs": 3, "outdir": tmp_path / "part"}
        train(TrainingConfig(**more), resume=True, log=None)


def discriminator_in(path):
    """{member: array} of the discriminator in a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.startswith("discriminator/")]
        return {name: np.load(io.BytesIO(archive.read(name))) for name in members}


def test_a_discriminator_that_does_not_take_such_patches_is_refused_before_the_first_step(dataset, tmp_path):
    settings = {"model": "edsr", "scale": 2, "dataset": dataset, "adversarial": "vanilla", "outdir": tmp_path / "out"}
    with pytest.raises(InputError, match=r"must be exactly 128; it is 24\. At x2, choose the LR patch size 64\."):
        train(TrainingConfig(**settings, discriminator="vgg-128", lr_patch_size=12, batch_size=2), log=None)
    assert not (tmp_path / "out").exists()


def test_inverse_time_has_a_decay_of_its_own():
    def decay(**settings):
        return optimizers._decay(TrainingConfig(batch_size=10, **settings))

    assert [decay(schedule="step"), decay(schedule="multi-step")] == [0.5, 0.5]
    assert decay(schedule="inverse-time") == pytest.approx(3e-6)
    assert decay(schedule="inverse-time", learning_rate_decay=0) == 0


def test_the_search_for_a_batch_takes_a_single_process():
    with pytest.raises(InputError, match="single process"):
        find_batch(TrainingConfig(num_processes=2, coordinator="localhost:1"))
