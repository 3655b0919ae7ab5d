import keras
import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.training.schedules import create_schedule

PLAN = {"steps": 1000, "steps_per_epoch": 10, "step_size": 20, "decay": 0.5}


def at(schedule, *steps):
    return [float(schedule(np.int64(step))) for step in steps]


def test_step_halves_at_the_start_of_every_twentieth_epoch():
    assert at(create_schedule("step", 1e-3, **PLAN), 0, 199, 200, 399, 400) == pytest.approx(
        [1e-3, 1e-3, 5e-4, 5e-4, 2.5e-4]
    )


def test_multi_step_steps_after_each_of_its_epochs():
    schedule = create_schedule("multi-step", 1e-3, boundaries=[20, 25], **PLAN | {"decay": 0.2})
    assert at(schedule, 0, 199, 200, 249, 250) == pytest.approx([1e-3, 1e-3, 2e-4, 2e-4, 4e-5])


def test_cosine_ends_at_one_percent_with_a_warmup_too():
    schedule = create_schedule("cosine", 1e-3, warmup_steps=100, **PLAN)
    assert at(schedule, 0, 49, 99, 100, 1000) == pytest.approx([1e-5, 5e-4, 1e-3, 1e-3, 1e-5])


def test_triangular_is_the_published_formula():
    schedule = create_schedule("triangular", 1e-4, maximum=4e-4, **PLAN)
    half = 200
    for step in (0, 1, 150, 200, 333, 400, 777):
        cycle = np.floor(1 + step / (2 * half))
        x = abs(step / half - 2 * cycle + 1)
        assert at(schedule, step)[0] == pytest.approx(1e-4 + 3e-4 * max(0, 1 - x), rel=1e-5)


def test_inverse_time_divides_by_one_plus_steps_times_decay():
    schedule = create_schedule("inverse-time", 2.5e-4, **PLAN | {"decay": 0.01})
    assert at(schedule, 0, 100) == pytest.approx([2.5e-4, 1.25e-4])


def test_constant_stays():
    assert at(create_schedule("constant", 1e-3, **PLAN), 0, 5000) == pytest.approx([1e-3, 1e-3])


def test_a_misspelled_schedule_is_refused():
    with pytest.raises(InputError, match="cosine"):
        create_schedule("cosin", 1e-3, **PLAN)


def test_multi_step_without_boundaries_is_refused():
    with pytest.raises(InputError, match="learning_rate_boundaries"):
        create_schedule("multi-step", 1e-3, **PLAN)


@pytest.mark.parametrize("name", ["triangular", "cosine"])
def test_schedules_survive_a_checkpoint(name):
    schedule = create_schedule(name, 1e-3, warmup_steps=7, **PLAN)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert at(again, 0, 5, 7, 300) == at(schedule, 0, 5, 7, 300)


@pytest.mark.parametrize("name", ["step", "multi-step", "cosine", "triangular", "constant"])
def test_a_schedule_that_is_ahead_continues_at_the_epoch_where_it_was(name):
    def rate(steps_per_epoch, at, **ahead):
        plan = {"steps": 20 * steps_per_epoch, "step_size": 4, "decay": 0.5, "boundaries": (5, 9)}
        schedule = create_schedule(name, 1e-3, steps_per_epoch=steps_per_epoch, **plan, **ahead)
        return float(schedule(at))

    epochs, before, after = 6, 100, 40  # six epochs of 100 steps, then epochs of 40
    ahead = epochs * after - epochs * before
    for more in (0, 1, 2, 3.5, 7):
        now = epochs * before + int(more * after)
        expected = rate(before, int((epochs + more) * before))
        assert rate(after, now, ahead=ahead) == pytest.approx(expected, rel=1e-5)


def test_a_schedule_of_steps_ignores_a_change_of_epochs():
    plan = {"steps": 9, "steps_per_epoch": 3, "step_size": 1, "decay": 0.1}
    one, other = (create_schedule("inverse-time", 1e-3, **plan, ahead=ahead) for ahead in (0, 50))
    assert float(one(7)) == float(other(7))


def test_a_schedule_that_is_ahead_is_restored_from_its_config():
    plan = {"steps": 9, "steps_per_epoch": 3, "step_size": 1, "decay": 0.1, "warmup_steps": 2}
    schedule = create_schedule("step", 1e-3, **plan, ahead=3)
    again = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert [float(again(i)) for i in range(8)] == [float(schedule(i)) for i in range(8)]
