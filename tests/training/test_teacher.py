import keras
import numpy as np
import pytest

from tests.helpers.runs import numbers, write_dataset
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.models import create_model
from wdsr_tf.training.config import TrainingConfig
from wdsr_tf.training.teacher import distilled
from wdsr_tf.training.train import dry_run, train

SMALL = {
    "model": "wdsr-a",
    "num_filters": 4,
    "num_res_blocks": 1,
    "steps_per_epoch": 2,
    "batch_size": 2,
    "lr_patch_size": 12,
    "precision": "float32",
    "validation": "crops",
    "validation_steps": 1,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a dataset, and two teachers at x2 and one at x3."""
    folder = write_dataset(tmp_path_factory.mktemp("toy"))
    for name, scale, license in (("a", 2, {"license": "MIT"}), ("b", 2, {}), ("x3", 3, {})):
        teacher = create_model("edsr", scale, num_filters=4, num_res_blocks=1)
        teacher.facts = license
        checkpoint.save(teacher, folder / f"{name}.keras")
    return folder


def test_the_loss_is_a_weighted_mean_of_those_to_hr_and_to_the_teacher():
    student, teacher = (create_model("wdsr-a", 2, num_filters=4, num_res_blocks=n) for n in (1, 2))
    student.compile(loss="mae")
    random = np.random.default_rng(0)
    lr, hr = (random.uniform(0, 255, (2, side, side, 3)).astype("float32") for side in (12, 24))
    sr = student(lr, training=True)
    loss = distilled(student.compute_loss, teacher, 0.25)
    crop = (24 - sr.shape[1]) // 2  # this student's output lacks a border in training
    inner, target = slice(crop, crop + sr.shape[1]), np.asarray(teacher(lr))
    to_hr, to_teacher = (np.abs(image[:, inner, inner] - np.asarray(sr)).mean() for image in (hr, target))
    assert float(loss(lr, hr, sr)) == pytest.approx(0.75 * to_hr + 0.25 * to_teacher, rel=1e-5)
    assert float(loss(lr, hr, sr, training=False)) == pytest.approx(to_hr, rel=1e-5)


def test_a_run_with_a_teacher_resumes_to_the_bit_and_records_the_teacher_without_its_weights(folder, tmp_path):
    def config(name, epochs, **changes):
        options = SMALL | {"teacher": folder / "a.keras", "teacher_weight": 0.5} | changes
        return TrainingConfig(**options, dataset=folder, outdir=tmp_path / name, epochs=epochs)

    whole = train(config("whole", 2), log=None)
    half = train(config("half", 1), log=None)
    resumed = train(config("half", 2), resume=half, log=None)
    expected, found = (numbers(run.state, tmp_path) for run in (whole, resumed))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)

    alone = train(config("alone", 2, teacher=None, teacher_weight=0.5), log=None)
    others = numbers(alone.state, tmp_path)
    assert {name: array.shape for name, array in others.items()} == {n: array.shape for n, array in found.items()}
    assert any((others[name] != found[name]).any() for name in found)  # the teacher had a say
    origin = {"source": "a.keras", "sha256": sha256(folder / "a.keras"), "license": "MIT", "weight": 0.5}
    assert checkpoint.read_config(resumed.best)["facts"]["teacher"] == origin
    assert f"--teacher={folder / 'a.keras'}" in resumed.args.read_text().splitlines()

    lines = []
    train(config("half", 3, teacher=folder / "b.keras"), resume=resumed, log=lines.append)
    assert any(line.startswith("The teacher was {'source': 'a.keras'") for line in lines)


def test_a_dry_run_takes_the_teacher_along_where_lr_is_made_during_training(folder, tmp_path):
    lines = []
    options = SMALL | {"degrade": "light", "teacher": folder / "a.keras"}
    dry_run(TrainingConfig(**options, dataset=folder, outdir=tmp_path), log=lines.append)
    parameters = checkpoint.load(folder / "a.keras").count_params()
    assert f"Teacher: a.keras, edsr with {parameters:,} parameters." in lines


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": "x3.keras"}, "x3.keras is x3, but the training is x2|scale is 3, not 2"),
        ({"teacher": "absent.keras"}, "absent.keras"),
        ({"teacher": "a.keras", "training_scales": (2, 3)}, "A teacher has one scale"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(folder, tmp_path, changes, message):
    options = SMALL | changes | {"teacher": folder / changes["teacher"]}
    with pytest.raises(InputError, match=message):
        dry_run(TrainingConfig(**options, dataset=folder, outdir=tmp_path), log=None)


def test_a_weight_without_a_teacher_has_no_effect_and_is_refused():
    with pytest.raises(InputError, match="teacher_weight has no effect here: it applies only with a teacher"):
        TrainingConfig(teacher_weight=0.3)


def test_a_teacher_is_left_as_it_was(folder):
    teacher = checkpoint.load(folder / "a.keras")
    before = [weight.copy() for weight in teacher.get_weights()]
    student = create_model("wdsr-a", 2, num_filters=4, num_res_blocks=1)
    student.compute_loss = distilled(student.compute_loss, teacher, 0.5)
    student.compile(optimizer=keras.optimizers.Adam(0.01), loss="mae")
    lr, hr = np.zeros((1, 12, 12, 3), "float32"), np.full((1, 24, 24, 3), 200, "float32")
    started = student.get_weights()
    student.train_on_batch(lr, hr)
    assert all((one == other).all() for one, other in zip(before, teacher.get_weights(), strict=True))
    assert any((one != other).any() for one, other in zip(started, student.get_weights(), strict=True))
