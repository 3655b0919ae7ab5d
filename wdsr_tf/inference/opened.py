"""The models that an upscaler has opened: each once, when it's first asked for, with what is known about it."""

import dataclasses
import functools
import threading
from pathlib import Path

from wdsr_tf import weights
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.inference.engines import AUTO, Choice, Engine, choose, open_engine
from wdsr_tf.inference.overlap import measured_overlap
from wdsr_tf.inference.routing import Candidate


class OpenedModels:
    """Engines of models, by model; several threads can ask at once.

    Args:
        has_choice: whether a published weights file is one of several models, so that it's the scale that decides which
            of its networks is meant; else the file knows.
        log: called with one line when a model is recognized, converted or opened.
        options: of `open_engine`: name, precision, device, allow_loss, and calibration.
    """

    def __init__(self, has_choice: bool, log, **options):
        self.device, self.calibration = options["device"], options["calibration"]
        self._has_choice, self._log, self._options = has_choice, log, options
        self._engines, self._choices, self._descriptions, self._overlaps = {}, {}, {}, {}
        self._opening, self._running = threading.RLock(), threading.Lock()

    def __iter__(self):
        return iter(dict.fromkeys(model for model, _ in self._engines))

    def engine(self, model: Candidate, is_deep: bool = False) -> Engine:
        """Returns the model's engine, which runs one tile at a time, whichever thread asks.

        If it's left to us, images of more than 8 bits (`is_deep`) are computed in float32: bfloat16 has 8 bits.
        """
        with self._opening:
            choice = self._choice(model, is_deep)
            opened = model, choice.precision
            if opened not in self._engines:
                options = self._options | {"name": choice.engine, "precision": choice.precision}
                engine = open_engine(self.runnable(model), log=self._log, **options)
                self._engines[opened] = dataclasses.replace(engine, run=functools.partial(self._run, engine.run))
                how = [engine.name, engine.precision, *([str(self.device)] if self.device.is_gpu else [])]
                reason = f": {choice.reason}" if choice.reason else ""
                self._log(f"{_shown(model)}: {engine.architecture} x{engine.scale}, {', '.join(how)}{reason}")
            return self._engines[opened]

    def _choice(self, model, is_deep=False):
        with self._opening:
            if model not in self._choices:
                names = self._options["name"], self._options["precision"]
                self._choices[model] = choose(self.runnable(model), *names, self.device)
            choice = self._choices[model]
        if is_deep and self._options["precision"] == AUTO and choice.precision == "bfloat16":
            return Choice(choice.engine, "float32", "images of more than 8 bits")
        return choice

    def _run(self, run, batch):
        """One tile at a time: a second one would take as much memory again, and the same processor."""
        with self._running:
            return run(batch)

    def overlap(self, model: Candidate, engine: Engine) -> int:
        """Returns how far the model's tiles overlap, which is measured once if its receptive field is large."""
        with self._opening:
            if (model, engine.precision) not in self._overlaps:
                file = self.runnable(model)
                file = file if isinstance(file, Path) else None
                self._overlaps[model, engine.precision] = measured_overlap(engine, file, self._log, _shown(model))
            return self._overlaps[model, engine.precision]

    def description(self, model: Candidate) -> tuple[str, str]:
        """Returns (checksum, engine, precision, and a GPU) of a model from a file.

        Raises:
            InputError: the model is in memory.
        """
        if not isinstance(model.source, Path):
            raise InputError(
                "A model in memory has no checksum to recognize its results by. Save it, and pass the file."
            )
        if model not in self._descriptions:
            from wdsr_tf.importers import formats

            file, choice = self.runnable(model), self._choice(model)
            # A converted checkpoint has the time of its conversion in it.
            checksum = formats.sha256(model.source) if model.is_published else sha256(file)
            deep = self._choice(model, is_deep=True).precision
            deep = f" ({deep} above 8 bits)" if deep != choice.precision else ""
            gpu = f" {self.device}" if self.device.is_gpu else ""
            self._descriptions[model] = checksum, f"{choice.engine} {choice.precision}{deep}{gpu}"
        return self._descriptions[model]

    def runnable(self, model: Candidate):
        """Returns what `open_engine` takes: the model's source, or the checkpoint that published weights become."""
        if not model.is_published:
            return model.source
        from wdsr_tf.importers.load import checkpoint_of

        return checkpoint_of(model.source, scale=model.scale if self._has_choice else None, log=self._log)


def _shown(model):
    if not isinstance(model.source, Path):
        return "model in memory"
    return model.source.name if model.source.parent == weights.FOLDER else model.source
