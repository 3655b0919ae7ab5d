"""Perceptual and adversarial training: a step trains the generator G, and then the discriminator D that judges it.

    1. sr = G(lr). G's loss is a sum of pixel, perceptual, and adversarial terms. For the last, D judges SR in training
       mode; it gets no gradient.
    2. D's loss compares its logits of HR with those of the same SR, made before G's update.
    3. If both losses and all gradients are finite, both optimizers make their updates. If not, neither does, and
       averages, batch statistics, and vectors of spectral normalization stay as they were.

This is BasicSR's order. G's gradient doesn't depend on D's update, nor D's on G's, so both gradients equal those of one
pass through both networks, as krasserm/super-resolution computes them; D's moving statistics see SR twice instead of
once.

`attach` replaces the `train_step` of a compiled G, so that everything else (validation, checkpoints, panels) still sees
G alone. D, its optimizer, and the weights of the perceptual loss travel through the compiled step as variables of a
metric, which Keras passes on and doesn't save.
"""

import dataclasses
from collections.abc import Callable

import keras
from keras import ops

from wdsr_tf.models.registry import SRModel, center_crop
from wdsr_tf.training import devices
from wdsr_tf.training.metrics import ConstantSteps

NEVER = 2**31 - 1  # steps after which an optimizer's scale grows that isn't one for float16
FIGURES = ("pixel_loss", "perceptual_loss", "adversarial_loss", "discriminator_loss", "real_logit", "fake_logit")


@dataclasses.dataclass(frozen=True)
class Objective:
    """What the generator minimizes; all weights are for losses of images in 0..1.

    Args:
        pixel_weight: Weight of the compiled loss.
        pixel_unit: Factor that makes the compiled loss one of images in 0..1.
        perceptual: A function (hr, sr) -> scalar, or None.
        perceptual_weight: Its weight.
        frozen: The variables of `perceptual`, which no step changes.
        adversarial: The adversarial loss, as `losses.get_adversarial_loss` returns it, or None.
        adversarial_weight: Weight of the generator's adversarial term; the discriminator's loss has none.
        penalty: A function (hr, sr) -> scalar, which is added to the discriminator's loss, or None.
    """

    pixel_weight: float = 1.0
    pixel_unit: float = 1.0
    perceptual: Callable | None = None
    perceptual_weight: float = 0.0
    frozen: tuple = ()
    adversarial: object = None
    adversarial_weight: float = 0.0
    penalty: Callable | None = None


def guarded(optimizer):
    """Returns the optimizer in a wrapper that skips updates whose gradients aren't finite.

    Under mixed_float16 that is Keras's dynamic loss scaling; otherwise the scale is always 1.
    """
    if keras.config.dtype_policy().name == "mixed_float16":
        return keras.optimizers.LossScaleOptimizer(optimizer)
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0, dynamic_growth_steps=NEVER)


def attach(model, not_finite, objective, discriminator=None, optimizer=None, more=()):
    """Makes every training step of `model` minimize `objective`, and train the discriminator if there is one.

    Args:
        model: The generator, compiled by `trainer.compile_model` with a `guarded` optimizer.
        not_finite: The metric that counts its broken steps.
        objective: What it minimizes.
        discriminator: The network that judges HR and SR, if the objective has an adversarial loss.
        optimizer: The discriminator's `guarded` optimizer.
        more: Further variables that the discriminator's loss changes.
    """
    model.adversary = Adversary(model, not_finite, objective, discriminator, optimizer, more)
    model.carried = _Carried(model.adversary)
    model.train_step = model.adversary.train_step


def variables(model):
    """Returns what a run's state must contain besides `model` and its optimizer, in order; [] for a plain training."""
    adversary = getattr(model, "adversary", None)
    return adversary.variables if adversary else []


def learning_rates(model):
    """Returns {column of the history: learning rate} of what trains besides `model`."""
    adversary = getattr(model, "adversary", None)
    if not (adversary and adversary.optimizer):
        return {}
    return {"discriminator_learning_rate": float(ops.convert_to_numpy(adversary.optimizer.learning_rate))}


class Adversary:
    """The step of perceptual or adversarial training; see `attach` for the arguments.

    Attributes:
        variables: Those of the discriminator and of its optimizer, and others that its loss changes.
        figures: A metric for each of FIGURES that there is.
        constant: The metric that counts the steps in which SR is one color.
    """

    def __init__(self, model, not_finite, objective, discriminator=None, optimizer=None, more=()):
        self.model, self.not_finite, self.objective = model, not_finite, objective
        self.discriminator, self.optimizer = discriminator, optimizer
        self.variables = []
        if discriminator:
            optimizer.build(discriminator.trainable_variables)
            devices.share_gradients(optimizer)
            self.variables = [*discriminator.variables, *optimizer.variables, *more]
        has = {"perceptual_loss": objective.perceptual} | dict.fromkeys(FIGURES[2:], discriminator)
        self.figures = {name: keras.metrics.Mean(name) for name in FIGURES if has.get(name, True)}
        self.constant = ConstantSteps()

    def train_step(self, *arguments):
        """A step of `keras.Model.fit`, on TensorFlow or JAX."""
        *state, batch = arguments
        lr, hr, _ = keras.utils.unpack_x_y_sample_weight(batch)
        if not state:
            return self._step(lr, hr)
        model = self.model  # JAX has a state: the values of four lists of variables
        lists = model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
        lists = *lists, model.metrics_variables
        values = [pair for each, found in zip(lists, *state, strict=True) for pair in zip(each, found, strict=True)]
        with keras.StatelessScope(state_mapping=values) as scope:
            logs = self._step(lr, hr)
        return logs, tuple([scope.get_current_value(variable) for variable in each] for each in lists)

    def _step(self, lr, hr):
        model, generator = self.model, _Update(self.model, self.model.optimizer)
        updates = [generator]
        if self.discriminator:
            updates.append(_Update(self.discriminator, self.optimizer))
        count = self.not_finite.steps + 0
        total, (outputs, figures) = generator.compute(lambda: self._generator_loss(lr, hr), self._carried)
        sr = ops.stop_gradient(first(outputs))
        real = center_crop(hr, sr)
        self.constant.watch(real, sr)
        if self.discriminator:
            _, more = updates[1].compute(lambda: self._discriminator_loss(real, sr), self._carried)
            figures |= more
        broken = devices.total([ops.cast(ops.logical_not(update.is_finite), "float32") for update in updates])
        broken = [number > 0 for number in broken]
        is_broken = broken[0] if len(broken) == 1 else ops.logical_or(*broken)
        for update, own in zip(updates, broken, strict=True):
            update.apply(is_broken, own)
        self.not_finite.steps.assign(ops.where(is_broken, count + 1, 0))
        for name, figure in figures.items():
            self.figures[name].update_state(figure)
        model._loss_tracker.update_state(total, sample_weight=ops.shape(hr)[0])
        return model.compute_metrics(lr, hr, outputs)

    @property
    def _carried(self):
        """All variables that a step may read or change."""
        model = self.model
        return [*model.variables, *model.optimizer.variables, *model.metrics_variables]

    def _generator_loss(self, lr, hr):
        """(loss, (outputs, figures)) of the generator."""
        goal = self.objective
        outputs = self.model(lr, training=True)
        sr = first(outputs)
        real = ops.cast(center_crop(hr, sr), "float32")
        # not model.compute_loss, which counts broken steps; Keras has divided it among devices
        pixel = SRModel.compute_loss(self.model, lr, hr, outputs) * devices.shares() * goal.pixel_unit
        figures = {"pixel_loss": pixel}
        total = goal.pixel_weight * pixel
        if goal.perceptual:
            figures["perceptual_loss"] = goal.perceptual(real, sr)
            total += goal.perceptual_weight * figures["perceptual_loss"]
        if self.discriminator:
            judged = ops.stop_gradient(self._judge(real)) if goal.adversarial.uses_real else None
            figures["adversarial_loss"] = goal.adversarial.generator(judged, self._judge(sr))
            total += goal.adversarial_weight * figures["adversarial_loss"]
        return total, (outputs, figures)

    def _discriminator_loss(self, hr, sr):
        """(loss, figures) of the discriminator."""
        real, fake = self._judge(hr), self._judge(sr)
        loss = self.objective.adversarial.discriminator(real, fake)
        if self.objective.penalty:
            loss += self.objective.penalty(hr, sr)
        return loss, {"discriminator_loss": loss, "real_logit": ops.mean(real), "fake_logit": ops.mean(fake)}

    def _judge(self, images):
        return ops.cast(self.discriminator(ops.cast(images, "float32"), training=True), "float32")


class _Update:
    """The update of one network by its optimizer, which is made or skipped after its gradients are known."""

    def __init__(self, network, optimizer):
        self.network, self.optimizer = network, optimizer
        self.moving = [v for v in network.non_trainable_variables if keras.backend.is_float_dtype(v.dtype)]
        self.before = [v + 0 for v in self.moving]

    def compute(self, loss, carried):
        """Computes gradients of `loss()`, which returns (loss, rest); returns the same."""

        def scaled():
            found, rest = loss()
            return self.optimizer.scale_loss(found / devices.shares()), (found, rest)

        (found, rest), self.gradients = _gradients(scaled, self.network.trainable_variables, carried)
        finite = [ops.isfinite(found), *(ops.all(ops.isfinite(g)) for g in self.gradients if g is not None)]
        self.is_finite = ops.all(ops.stack(finite))
        return found, rest

    def apply(self, is_broken, is_own):
        """Makes the update unless `is_broken`; a loss scale halves only if the gradients of this network broke it."""
        optimizer = self.optimizer
        scale = optimizer.dynamic_scale + 0
        # NaN makes the optimizer skip the update, on several devices too
        gradients = [g if g is None else ops.where(is_broken, float("nan"), g) for g in self.gradients]
        _apply(optimizer, gradients, self.network.trainable_variables)
        spared = is_broken
        if optimizer.dynamic_growth_steps != NEVER:
            spared = ops.logical_and(is_broken, ops.logical_not(is_own))
        optimizer.dynamic_scale.assign(ops.where(spared, scale, optimizer.dynamic_scale.value))
        for variable, value in zip(self.moving, self.before, strict=True):
            variable.assign(ops.where(is_broken, value, variable.value))


class _Carried(keras.metrics.Metric):
    """Makes Keras pass variables of an `Adversary` to each compiled step, and reports its figures."""

    def __init__(self, adversary):
        super().__init__(name="adversary")
        # A function, because Keras would save a network that is an attribute.
        self._adversary = lambda: adversary

    @property
    def variables(self):
        adversary = self._adversary()
        metrics = [*adversary.figures.values(), adversary.constant]
        figures = [variable for metric in metrics for variable in metric.variables]
        return [*adversary.variables, *adversary.objective.frozen, *figures]

    def update_state(self, *arguments, **named):
        """Does nothing: the step updates the figures."""

    def result(self):
        adversary = self._adversary()
        return {metric.name: metric.result() for metric in [*adversary.figures.values(), adversary.constant]}

    def reset_state(self):
        for metric in self._adversary().figures.values():
            metric.reset_state()


def first(outputs):
    """Returns SR: a network with auxiliary outputs returns a list in training."""
    return outputs[0] if isinstance(outputs, list) else outputs


def _gradients(compute, trained, carried):
    """Returns (rest, gradients) of `compute()`, which returns (loss, rest) and may change any of `carried`."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss, rest = compute()
        return rest, tape.gradient(loss, [variable.value for variable in trained])
    import jax

    now = [(variable, variable.value) for variable in carried]

    def of(values):
        with keras.StatelessScope(state_mapping=[*now, *zip(trained, values, strict=True)]) as scope:
            loss, rest = compute()
        return loss, (rest, [scope.get_current_value(variable) for variable in carried])

    (_, (rest, after)), gradients = jax.value_and_grad(of, has_aux=True)([variable.value for variable in trained])
    for (variable, before), value in zip(now, after, strict=True):
        if value is not before:
            variable.assign(value)
    return rest, gradients


def _apply(optimizer, gradients, trained):
    if keras.backend.backend() == "tensorflow":
        optimizer.apply(gradients, trained)
        return
    lists = trained, optimizer.variables
    found = optimizer.stateless_apply(
        [variable.value for variable in optimizer.variables], gradients, [variable.value for variable in trained]
    )
    for each, values in zip(lists, found, strict=True):
        for variable, value in zip(each, values, strict=True):
            variable.assign(value)
