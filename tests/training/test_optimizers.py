import keras
import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.training.optimizers import create_optimizer


def stepped(optimizer, weights, grads):
    variable = keras.Variable(np.array(weights, "float32"))
    optimizer.build([variable])
    optimizer.apply([keras.ops.convert_to_tensor(np.array(grads, "float32"))], [variable])
    return keras.ops.convert_to_numpy(variable)


def test_sgd_adds_the_gradient_of_l2():
    moved = stepped(create_optimizer("sgd", 0.1, momentum=0.0, weight_decay=0.5), [2.0, -4.0], [1.0, 1.0])
    assert moved == pytest.approx([2.0 - 0.1 * (1 + 0.5 * 2), -4.0 - 0.1 * (1 - 0.5 * 4)])


def test_adjustable_clipping_bounds_the_step_whatever_the_learning_rate():
    for learning_rate in (0.1, 0.001):
        moved = stepped(
            create_optimizer("sgd", learning_rate, momentum=0.0, adjustable_clip=0.01), [0.0, 0.0], [3e6, 4e6]
        )
        assert moved == pytest.approx([-0.006, -0.008], rel=1e-4)


def test_adam_with_l2_zero_is_keras_adam():
    ours = stepped(create_optimizer("adam", 0.1), [2.0, -4.0], [1.0, 0.5])
    assert (ours == stepped(keras.optimizers.Adam(0.1), [2.0, -4.0], [1.0, 0.5])).all()


@pytest.mark.parametrize("name", ["adam", "amsgrad", "adamw", "sgd"])
def test_optimizers_survive_a_checkpoint(name):
    optimizer = create_optimizer(name, 0.1, weight_decay=0.01, global_clipnorm=1.0, ema_momentum=0.99)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    first, second = (stepped(o, [2.0, -4.0], [1.0, 0.5]) for o in (optimizer, again))
    assert (first == second).all()
    assert again.use_ema


def test_a_misspelled_optimizer_is_refused():
    with pytest.raises(InputError, match="amsgrad"):
        create_optimizer("asmgrad", 0.1)


def test_two_kinds_of_clipping_at_once_are_refused_and_zero_turns_one_off():
    with pytest.raises(InputError, match="not by both"):
        create_optimizer("adam", 0.1, global_clipnorm=1.0, clipvalue=0.5)
    assert create_optimizer("adam", 0.1, global_clipnorm=0.0, clipvalue=0.5).clipvalue == 0.5
