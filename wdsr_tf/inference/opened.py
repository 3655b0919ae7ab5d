"""The models that an upscaler has opened: each once, when it's first asked for, with what is known about it."""

import dataclasses
import functools
import threading
from pathlib import Path

from wdsr_tf import weights
from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.inference.engines import Engine, automatic_engine, automatic_precision, open_engine
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
        self._engines, self._descriptions, self._overlaps = {}, {}, {}
        self._opening, self._running = threading.RLock(), threading.Lock()

    def __iter__(self):
        return iter(self._engines)

    def engine(self, model: Candidate) -> Engine:
        """Returns the model's engine, which runs one tile at a time, whichever thread asks."""
        with self._opening:
            if model not in self._engines:
                engine = open_engine(self.runnable(model), log=self._log, **self._options)
                self._engines[model] = dataclasses.replace(engine, run=functools.partial(self._run, engine.run))
                how = [engine.name, *([engine.precision] if engine.precision != "float32" else [])]
                how += [str(self.device)] if self.device.is_gpu else []
                self._log(f"{_shown(model)}: {engine.architecture} x{engine.scale}, {', '.join(how)}")
            return self._engines[model]

    def _run(self, run, batch):
        """One tile at a time: a second one would take as much memory again, and the same processor."""
        with self._running:
            return run(batch)

    def overlap(self, model: Candidate, engine: Engine) -> int:
        """Returns how far the model's tiles overlap, which is measured once if its receptive field is large."""
        with self._opening:
            if model not in self._overlaps:
                file = self.runnable(model)
                file = file if isinstance(file, Path) else None
                self._overlaps[model] = measured_overlap(engine, file, self._log, _shown(model))
            return self._overlaps[model]

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

            file, name, precision = self.runnable(model), self._options["name"], self._options["precision"]
            name = automatic_engine(file, precision, self.device) if name == "auto" else name
            precision = automatic_precision(name) if precision == "auto" else precision
            # A converted checkpoint has the time of its conversion in it.
            checksum = formats.sha256(model.source) if model.is_published else sha256(file)
            gpu = f" {self.device}" if self.device.is_gpu else ""
            self._descriptions[model] = checksum, f"{name} {precision}{gpu}"
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
