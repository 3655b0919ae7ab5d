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


def network():
    """Two layers whose weights, biases and gradients are all one."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, name="first"), keras.layers.Dense(1, name="last")]
    )
    model.set_weights([np.ones_like(weight) for weight in model.get_weights()])
    return model


def moved(optimizer):
    """How far a step of 0.1 moves [first's kernel, first's bias, last's kernel, last's bias]."""
    model = network()
    optimizer.build(model.trainable_variables)
    optimizer.apply([keras.ops.ones(v.shape) for v in model.trainable_variables])
    return [float(1 - np.ravel(weight)[0]) for weight in model.get_weights()]


def test_the_last_layer_has_a_rate_of_its_own():
    optimizer = create_optimizer("sgd", 0.1, momentum=0.9, weight_decay=1.0, last_layer_rate=0.1)
    assert moved(optimizer) == pytest.approx([0.2, 0.2, 0.02, 0.02], rel=1e-5)


def test_weight_decay_can_leave_out_all_but_kernels():
    sgd = create_optimizer("sgd", 0.1, momentum=0.0, weight_decay=1.0, kernels_only=True)
    assert moved(sgd) == pytest.approx([0.2, 0.1, 0.2, 0.1], rel=1e-5)
    plain, decayed = (moved(create_optimizer("adamw", 0.1, weight_decay=w, kernels_only=True)) for w in (0.0, 1.0))
    extra = [after - before for before, after in zip(plain, decayed, strict=True)]
    assert extra == pytest.approx([0.1, 0.0, 0.1, 0.0], abs=0.02)


def test_a_misspelled_optimizer_is_refused():
    with pytest.raises(InputError, match="amsgrad"):
        create_optimizer("asmgrad", 0.1)


def test_two_kinds_of_clipping_at_once_are_refused_and_zero_turns_one_off():
    with pytest.raises(InputError, match="not by both"):
        create_optimizer("adam", 0.1, global_clipnorm=1.0, clipvalue=0.5)
    assert create_optimizer("adam", 0.1, global_clipnorm=0.0, clipvalue=0.5).clipvalue == 0.5
