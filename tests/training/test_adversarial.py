"""The step of adversarial training, with a generator and a discriminator of a few weights."""

import keras
import numpy as np
import pytest
from keras import ops

from wdsr_tf.data.feed import Batches
from wdsr_tf.errors import InputError
from wdsr_tf.models import create_model
from wdsr_tf.training import adversarial, callbacks, trainer
from wdsr_tf.training.optimizers import create_optimizer
from wdsr_tf.training.run import Run
from wdsr_tf.training.validation import Crops


class Vanilla:
    uses_real = False

    def discriminator(self, real, fake):
        return ops.mean(ops.softplus(-real)) + ops.mean(ops.softplus(fake))

    def generator(self, real, fake):
        return ops.mean(ops.softplus(-fake))


def judge():
    """A discriminator with batch statistics."""
    layers = keras.layers
    images = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same")(images / 255)
    x = layers.LeakyReLU(0.2)(layers.BatchNormalization()(x))
    return keras.Model(images, layers.Conv2D(1, 3, padding="same", dtype="float32")(x))


def generator(name="sr-resnet", ema=None, **more):
    keras.utils.set_random_seed(0)
    model = create_model(name, 2, num_filters=4, num_res_blocks=1, **more)
    optimizer = adversarial.guarded(create_optimizer("adam", 1e-3, ema_momentum=ema))
    return model, trainer.compile_model(model, optimizer, "mae")


def adversaries(**more):
    model, not_finite = generator(**more)
    objective = adversarial.Objective(
        pixel_weight=0.5, pixel_unit=1 / 255, adversarial=Vanilla(), adversarial_weight=0.1
    )
    optimizer = adversarial.guarded(create_optimizer("adam", 1e-3))
    adversarial.attach(model, not_finite, objective, judge(), optimizer)
    return model


def batch(i, side=8):
    random = np.random.default_rng(i)
    return tuple(random.integers(0, 256, (2, each, each, 3)).astype("float32") for each in (side, 2 * side))


def numbers(variables):
    return [np.array(ops.convert_to_numpy(v)) for v in variables]


def fit(model, batches):
    """Trains a step with each batch; returns the means of the figures."""
    model.reset_metrics()
    return [model.train_on_batch(*each, return_dict=True) for each in batches][-1]


def test_a_step_has_the_gradients_that_both_losses_have_before_any_update(policy):
    """By hand: G's loss and D's, both from the weights before the step, with plain gradient descent."""
    keras.utils.set_random_seed(0)
    model = create_model("edsr", 2, num_filters=4, num_res_blocks=1)

    def plain():
        return adversarial.guarded(create_optimizer("sgd", 1.0, momentum=0.0))

    not_finite = trainer.compile_model(model, plain(), "mae")
    objective = adversarial.Objective(
        pixel_weight=0.5, pixel_unit=1 / 255, adversarial=Vanilla(), adversarial_weight=2.0
    )
    discriminator = judge()
    lr, hr = batch(0)

    def losses():
        sr = model(lr, training=True)
        fake, real = discriminator(sr, training=True), discriminator(hr, training=True)
        of_g = 0.5 * ops.mean(ops.abs(hr - sr)) / 255 + 2.0 * objective.adversarial.generator(None, fake)
        return of_g, objective.adversarial.discriminator(real, discriminator(ops.stop_gradient(sr), training=True))

    networks = (model, discriminator)
    state = [numbers(network.variables) for network in networks]
    expected = [slopes(lambda i=i: losses()[i], networks[i].trainable_variables) for i in (0, 1)]
    for network, values in zip(networks, state, strict=True):
        for variable, value in zip(network.variables, values, strict=True):
            variable.assign(value)
    adversarial.attach(model, not_finite, objective, discriminator, plain())
    before = [numbers(network.trainable_variables) for network in networks]
    fit(model, [(lr, hr)])
    for network, old, wanted in zip(networks, before, expected, strict=True):
        for new, value, slope in zip(numbers(network.trainable_variables), old, wanted, strict=True):
            np.testing.assert_allclose(value - new, slope, rtol=1e-3, atol=1e-5 * max(1, np.abs(slope).max()))


def slopes(loss, variables):
    if keras.backend.backend() == "jax":
        import jax

        def of(values):
            with keras.StatelessScope(zip(variables, values, strict=True)):
                return loss()

        return numbers(jax.grad(of)([v.value for v in variables]))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = loss()
    return [np.array(g) for g in tape.gradient(value, [v.value for v in variables])]


@pytest.mark.parametrize("precision, where", [("float32", "lr"), ("mixed_float16", "lr"), ("mixed_bfloat16", "hr")])
def test_a_broken_step_changes_no_weight_no_average_and_no_statistics(policy, precision, where):
    policy(precision)
    model = adversaries(ema=0.9)
    good = batch(0)
    fit(model, [good] * 2)

    def state():
        saved = [*model.variables, *model.optimizer.variables, *adversarial.variables(model)]
        return {v.path + str(i): n for i, (v, n) in enumerate(zip(saved, numbers(saved), strict=True))}

    before = state()
    lr, hr = batch(1)
    spoilt = (lr * np.float32("nan"), hr) if where == "lr" else (lr, hr * np.float32("nan"))
    fit(model, [spoilt])
    after = state()
    assert int(model.adversary.not_finite.steps) == 1
    for name in before:
        if "step_counter" not in name and "dynamic_scale" not in name:
            np.testing.assert_array_equal(before[name], after[name], err_msg=name)
    fit(model, [good])
    assert int(model.adversary.not_finite.steps) == 0
    assert any((before[name] != number).any() for name, number in state().items())


def test_history_has_every_term_and_d_on_real_and_fake():
    figures = fit(adversaries(), [batch(i) for i in range(3)])
    assert {"pixel_loss", "adversarial_loss", "discriminator_loss", "real_logit", "fake_logit"} <= figures.keys()
    assert "perceptual_loss" not in figures
    total = 0.5 * figures["pixel_loss"] + 0.1 * figures["adversarial_loss"]
    assert figures["loss"] == pytest.approx(total, rel=1e-5)


def constant_steps(model):
    return int(ops.convert_to_numpy(model.adversary.constant.steps))


def blank(model, value=0.0):
    """Makes the last convolution, and so the network, return one color."""
    for layer in [each for each in model.layers if each.weights][-1:]:
        layer.set_weights([np.full(weight.shape, value) for weight in layer.get_weights()])


def still(model):
    """Stops all learning."""
    for optimizer in (model.optimizer, model.adversary.optimizer):
        optimizer.inner_optimizer.learning_rate = 0.0


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_steps_that_return_one_color_are_counted_until_one_does_not(policy, precision):
    policy(precision)
    model = adversaries(name="edsr")
    still(model)
    weights = model.get_weights()
    fit(model, [batch(0)])
    assert constant_steps(model) == 0
    blank(model)
    fit(model, [batch(i) for i in range(3)])
    assert constant_steps(model) == 3
    lr, hr = batch(0)
    fit(model, [(lr, np.full_like(hr, 128))])  # HR is of one color, too
    assert constant_steps(model) == 0
    fit(model, [batch(i) for i in range(2)])
    assert constant_steps(model) == 2
    model.set_weights(weights)
    fit(model, [batch(0)])
    assert constant_steps(model) == 0


def test_a_run_that_keeps_returning_one_color_ends_and_the_first_such_step_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks.StopWhenConstant, "patience", 15)
    model = adversaries(name="edsr")
    still(model)
    blank(model)
    plan = {"epochs": 10, "steps_per_epoch": 10, "batch_size": 2, "log": lambda line: None}
    run, keep = Run.start(tmp_path, []), callbacks.Keep(by_psnr=False)
    crops = Crops(Batches(lambda k: tuple(x.astype("uint8") for x in batch(1000 + k)), 1))
    with pytest.raises(InputError) as caught:
        trainer.fit(model, run, (batch(i) for i in range(100)), crops, keep=keep, **plan)
    assert "images of one color for 20 steps, since step 1." in str(caught.value)  # it checks every ten steps
    assert "pretrained_discriminator" in str(caught.value)
    assert [path.name for path in run.models.iterdir()] == ["epoch-0001.keras"]
    assert "constant_steps" not in run.history_file.read_text()
