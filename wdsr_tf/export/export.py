"""Exports a model: converts it, compares it with Keras, and writes it with its card, atomically."""

import contextlib
import copy
import dataclasses
import functools
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import keras

from wdsr_tf.errors import InputError
from wdsr_tf.export import card as cards
from wdsr_tf.export import formats, parity
from wdsr_tf.export.form import TILE, Form
from wdsr_tf.export.int8 import Calibration
from wdsr_tf.files import owned, sha256, sweep
from wdsr_tf.inference import overlap
from wdsr_tf.models import SRModel, fold
from wdsr_tf.models.receptive_field import of_graph
from wdsr_tf.receptive_field import ReceptiveField


class Export:
    """A model to be exported to several formats, each by `write`.

    Args:
        model: any `SRModel`. It is exported in float32, with its convolutions folded into plain ones.
        name: name of the files, without suffix.
        form: what the exported model takes and returns. Formats that need a fixed size get TILE if it has none.
        calibration: image or folder of images that int8 is calibrated on; None is this project's demo images.
        sha256: checksum of the checkpoint, for the card.
    """

    def __init__(
        self,
        model: SRModel,
        name: str,
        form: Form = Form(),  # noqa: B008  (it is immutable)
        *,
        calibration: str | Path | None = None,
        sha256: str | None = None,
    ):
        self.model, self.name = exact(model), name
        overlap.record(self.model, sha256)
        self.card = cards.card(model, name)
        self.card["receptive_field"] = cards.receptive_field(self.model)
        self.form, self.sha256 = form, sha256
        self.samples = functools.cache(functools.partial(parity.samples, self.model))
        self.calibration = Calibration(self.model, calibration) if form.precision == "int8" else None

    def write(self, name: str, outdir: str | Path) -> dict:
        """Writes the model in one format, with its card, and returns the card.

        Raises:
            InputError: the format can't represent the model, or computes something else than Keras. `outdir` stays as
                it was.
        """
        kind, module = formats.FORMATS[name], formats.module(name)
        form = dataclasses.replace(self.form, tile=self.form.tile or (TILE if kind.is_fixed else None))
        with aside(outdir) as folder:
            path = folder / f"{self.name}{kind.suffix}"
            try:
                if form.tile:
                    check_tile(form.tile, of_graph(self.model))
                if self.calibration:
                    module.write_int8(self.model, path, form, self.calibration)
                else:
                    module.write(self.model, path, form)
                started = time.perf_counter()
                run = module.opened(path)
                seconds = time.perf_counter() - started
                report = {"parity": {"load_seconds": seconds} | parity.measure(run, self.samples(form.tile), form)}
                if self.calibration:
                    report["int8"] = self.calibration.report(run, form)
            except InputError as error:
                raise InputError(f"Not exported to {name}: {error}") from error
            card = self._card(name, path, form, report)
            cards.write(card, folder / f"{self.name}{kind.card}")
        return card

    def write_all(self, names: Iterable[str], outdir: str | Path) -> tuple[list[dict], list[InputError]]:
        """Returns the cards of the formats that were written, and the errors of the others."""
        written, failed = [], []
        for name in names:
            try:
                written.append(self.write(name, outdir))
            except InputError as error:
                failed.append(error)
        return written, failed

    def _card(self, name, path, form, report):
        kind, backend = formats.FORMATS[name], keras.config.backend()
        packages = {*kind.packages.values(), kind.runtime, backend, *(kind.int8 or {} if self.calibration else {})}
        versions = {each: metadata.version(each) for each in packages}
        card = copy.deepcopy(self.card)
        for end in (card["input"], card["output"]):
            end |= {"layout": form.layout.upper(), "range": [0, int(form.white)], "dtype": form.dtype}
        card["versions"] |= versions
        card |= {"file": path.name, "file_format": name, "precision": form.precision, "image": form.image}
        if form.tile:
            card |= {"tile": list(form.tile), "overlap": card["receptive_field"]["radius"]}
        card |= _sizes(path)
        if self.sha256:
            card["checkpoint_sha256"] = self.sha256
        against = f"Keras {keras.__version__}, {backend} {versions[backend]}, float32"
        runtime = f"{kind.runtime} {versions[kind.runtime]}"
        report["parity"] = {"against": against, "runtime": runtime} | report["parity"]
        return card | report


def exact(model: SRModel) -> SRModel:
    """Returns a copy of the model in float32 with its convolutions folded into plain ones."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        return fold(model)
    finally:
        keras.config.set_dtype_policy(before)


def check_tile(tile: tuple[int, int], receptive_field: ReceptiveField) -> None:
    """Raises InputError if tiles of this size can't be exact."""
    least, said = 2 * receptive_field.radius + 1, "{} x {}".format(*tile)
    if min(tile) < least:
        raise InputError(
            f"A tile of {said} pixels is too small. The receptive field extends {receptive_field.radius} pixels to "
            f"each side, so exact tiles need at least {least} pixels."
        )
    if any(side % receptive_field.multiple for side in tile):
        raise InputError(
            f"A tile of {said} pixels isn't a multiple of {receptive_field.multiple}, as this model needs."
        )


@contextlib.contextmanager
def aside(outdir: str | Path) -> Iterator[Path]:
    """Yields a new folder in `outdir`; on success its content moves there and replaces what has the same names."""
    outdir = Path(outdir)
    is_new = not outdir.exists()
    try:
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(owned(outdir))
                folder.mkdir()
            except OSError as error:
                raise InputError(f"{outdir}: can't write to this folder: {error.strerror}") from error
            sweep(outdir)
            yield folder
            # Cards last: a card means that its model is complete.
            for path in sorted(folder.iterdir(), key=lambda path: path.suffix == ".json"):
                _replace(path, outdir / path.name)
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # not empty
                outdir.rmdir()


def _replace(path, target):
    if path.is_dir() and target.is_dir():
        if not (target / "saved_model.pb").exists():
            raise InputError(f"{target} exists and isn't a SavedModel, so it isn't replaced.")
        target.replace(path.with_name(f"{path.name}.old"))
    path.replace(target)


def _sizes(path):
    """Size in bytes, and the SHA-256: of the file, or by name if there are several files."""
    pair = path.with_suffix(".bin")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    files += [pair] if pair.exists() else []
    hashes = {file.relative_to(path.parent).as_posix(): sha256(file) for file in files}
    size = sum(file.stat().st_size for file in files)
    return {"bytes": size, "sha256": hashes[path.name] if len(files) == 1 else hashes}
