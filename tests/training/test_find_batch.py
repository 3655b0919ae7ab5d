"""The search for the largest batch, and the errors of a training that runs out of memory."""

import itertools

import keras
import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model
from wdsr_tf.training import failures, find_batch, trainer
from wdsr_tf.training.find_batch import largest_batch
from wdsr_tf.training.optimizers import create_optimizer
from wdsr_tf.training.run import Run
from wdsr_tf.training.validation import Crops

WORDS = [
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12 bytes.",
    "OOM when allocating tensor with shape",
]


def make():
    model = create_model("wdsr-a", 2, num_filters=2, num_res_blocks=1)
    trainer.compile_model(model, create_optimizer("adam", 1e-3), "mae")
    return model


def fails_from(size, words):
    """A `make` whose models have memory for fewer than `size` patches."""

    def failing():
        model = make()
        own = model.fit

        def fit(batches, **options):
            if len(next(iter(batches))[0]) >= size:
                raise RuntimeError(words)
            return own(batches, **options)

        model.fit = fit
        return model

    return failing


@pytest.fixture
def gpu(monkeypatch):
    """A machine on which only a failed step tells how much memory there is."""
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])


@pytest.mark.parametrize("words", WORDS)
def test_batches_double_until_a_step_has_no_memory(gpu, words):
    lines = []
    assert largest_batch(fails_from(4, words), 8, 2, log=lines.append) == 2
    assert [line.split()[0] for line in lines] == ["batch", "1", "2", "4"]
    assert all(float(line.split()[1]) > 0 for line in lines[1:3])
    assert lines[3].endswith("doesn't fit")


def test_nothing_fits_if_the_first_batch_does_not(gpu):
    assert largest_batch(fails_from(2, WORDS[0]), 8, 2, first=2, log=lambda line: None) == 0


def test_another_error_is_not_taken_for_a_lack_of_memory(gpu):
    with pytest.raises(Exception, match="something else"):
        largest_batch(fails_from(1, "something else"), 8, 2, log=lambda line: None)


def test_without_an_accelerator_nothing_is_tried_that_would_take_more_than_is_free(monkeypatch):
    """A patch takes 1 GiB besides 2 GiB: 3, 4, 6, and the next batch would take 10, but 4 more aren't free."""
    taken = {"now": 2.5}

    def seconds(model, size, lr_patch_size, scale):
        taken["now"] = 2 + size
        return 0.1

    monkeypatch.setattr(find_batch, "_seconds", seconds)
    monkeypatch.setattr(find_batch, "reset_peak", lambda: True)
    monkeypatch.setattr(find_batch, "peak", lambda: int(taken["now"] * 2**30))
    lines, gibibyte = [], 2**30
    found = largest_batch(lambda: None, 8, 2, log=lines.append, free=lambda: int((10 - taken["now"]) * gibibyte))
    assert found == 4
    assert lines[-1].split()[:5] == ["8", "would", "take", "4.0", "GiB"]


def test_steps_that_would_take_too_long_are_not_tried(gpu, monkeypatch):
    monkeypatch.setattr(find_batch, "_seconds", lambda model, size, *more: find_batch.LONGEST / 6 * size)
    assert largest_batch(lambda: None, 8, 2, log=lambda line: None) == 4


def zeros(count):
    """Black LR and HR."""
    return tuple(np.zeros((count, side, side, 3), "uint8") for side in (6, 12))


class Validation(keras.utils.PyDataset):
    num_batches = 1

    def __getitem__(self, i):
        return zeros(4)


def test_a_training_that_runs_out_of_memory_says_what_to_try_and_keeps_its_checkpoints(tmp_path):
    run, model, steps = Run.start(tmp_path, []), make(), itertools.count()
    model.make_train_function()
    step = model.train_function

    def failing(*arguments):
        if next(steps) == 3:  # the first of the second epoch
            raise RuntimeError(WORDS[0])
        return step(*arguments)

    model.train_function = failing
    plan = {"epochs": 2, "steps_per_epoch": 3, "batch_size": 8, "log": lambda line: None}
    with pytest.raises(InputError) as caught:
        trainer.fit(model, run, (zeros(8) for _ in itertools.count()), Crops(Validation()), **plan)
    assert "A training step with 8 patches ran out of memory." in str(caught.value)
    assert "batch_size=4" in str(caught.value)
    assert "find_batch" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert run.state.is_file()


def test_a_full_disk_ends_a_training_with_the_path_and_keeps_its_checkpoints(tmp_path, monkeypatch):
    run, model = Run.start(tmp_path, []), make()
    save = model.save

    def failing(path, **options):
        save(path, **options)
        if run.state.exists():  # the second epoch
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(model, "save", failing)
    plan = {"epochs": 2, "steps_per_epoch": 3, "batch_size": 8, "log": lambda line: None}
    with pytest.raises(InputError) as caught:
        trainer.fit(model, run, (zeros(8) for _ in itertools.count()), Crops(Validation()), **plan)
    assert str(caught.value) == f"{run.state}: No space left on device. {failures.KEPT}"
    assert run.facts()["epoch"] == 1 and not list(run.folder.glob(".*.keras"))


def test_a_full_disk_is_not_taken_for_a_lack_of_memory():
    error = RuntimeError("RESOURCE_EXHAUSTED: events.out.v2; No space left on device")  # TensorFlow's words
    with pytest.raises(InputError, match=r"events\.out\.v2; No space.*can be resumed"), failures.explained(8):
        raise error


def test_other_errors_of_a_training_stay_what_they_are():
    with pytest.raises(KeyError), failures.explained(8, several_processes=True):
        raise KeyError("a defect")


def test_a_lost_process_is_named_if_there_are_several():
    lost = "INTERNAL: Gloo all-reduce failed: Connection closed by peer [127.0.0.1]:4711"
    with pytest.raises(InputError, match="Another process of this training has ended"), failures.explained(8, True):
        raise RuntimeError(lost)
    with pytest.raises(RuntimeError, match="Gloo"), failures.explained(8):
        raise RuntimeError(lost)
