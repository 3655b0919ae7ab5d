"""Exports a model: converts it, compares it with Keras, and writes it with its card, atomically."""

import contextlib
import copy
import functools
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import keras

from wdsr_tf.errors import InputError
from wdsr_tf.export import card as cards
from wdsr_tf.export import formats, parity
from wdsr_tf.files import owned, sha256, sweep
from wdsr_tf.inference import overlap
from wdsr_tf.models import SRModel, fold
from wdsr_tf.models.receptive_field import of_graph
from wdsr_tf.receptive_field import ReceptiveField

TILE = 128


class Export:
    """A model to be exported to several formats, each by `write`.

    Args:
        model: any `SRModel`. It is exported in float32, with its weight normalization folded.
        name: name of the files, without suffix.
        half: whether to store the weights in float16.
        image: whether the exported model takes and returns uint8, clipped and rounded.
        tile: height and width of the input in pixels, for formats with a fixed size.
        sha256: checksum of the checkpoint, for the card.
    """

    def __init__(
        self,
        model: SRModel,
        name: str,
        *,
        half: bool = False,
        image: bool = False,
        tile: int = TILE,
        sha256: str | None = None,
    ):
        self.model, self.name = exact(model), name
        overlap.record(self.model, sha256)
        self.card = cards.card(model, name)
        self.card["receptive_field"] = cards.receptive_field(self.model)
        self.half, self.image, self.tile, self.sha256 = half, image, tile, sha256
        self.samples = functools.cache(functools.partial(parity.samples, self.model))

    @property
    def precision(self) -> str:
        """The precision of the stored weights."""
        return "float16" if self.half else "float32"

    def write(self, name: str, outdir: str | Path) -> dict:
        """Writes the model in one format, with its card, and returns the card.

        Raises:
            InputError: the format can't represent the model, or computes something else than Keras. `outdir` stays as
                it was.
        """
        form, module = formats.FORMATS[name], formats.module(name)
        with aside(outdir) as folder:
            path = folder / f"{self.name}{form.suffix}"
            try:
                if form.is_fixed:
                    check_tile(self.tile, of_graph(self.model))
                module.write(self.model, path, half=self.half, image=self.image, tile=self.tile)
                started = time.perf_counter()
                run = module.opened(path)
                seconds = time.perf_counter() - started
                samples = self.samples(self.tile if form.is_fixed else None)
                report = parity.measure(run, samples, self.precision, self.image)
            except InputError as error:
                raise InputError(f"Not exported to {name}: {error}") from error
            card = self._card(name, path, {"load_seconds": seconds} | report)
            cards.write(card, folder / f"{self.name}{form.card}")
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

    def _card(self, name, path, report):
        form, backend = formats.FORMATS[name], keras.config.backend()
        versions = {each: metadata.version(each) for each in {*form.packages.values(), form.runtime, backend}}
        card = copy.deepcopy(self.card)
        for end in (card["input"], card["output"]):
            end["dtype"] = "uint8" if self.image else "float32"
        card["versions"] |= versions
        card |= {"file": path.name, "file_format": name, "precision": self.precision, "image": self.image}
        if form.is_fixed:
            card |= {"tile": self.tile, "overlap": card["receptive_field"]["radius"]}
        card |= _sizes(path)
        if self.sha256:
            card["checkpoint_sha256"] = self.sha256
        against = f"Keras {keras.__version__}, {backend} {versions[backend]}, float32"
        runtime = f"{form.runtime} {versions[form.runtime]}"
        return card | {"parity": {"against": against, "runtime": runtime} | report}


def exact(model: SRModel) -> SRModel:
    """Returns a copy of the model in float32 with its weight normalization folded."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        return fold(model)
    finally:
        keras.config.set_dtype_policy(before)


def check_tile(tile: int, receptive_field: ReceptiveField) -> None:
    """Raises InputError if tiles of this size can't be exact."""
    least = 2 * receptive_field.radius + 1
    if tile < least:
        raise InputError(
            f"A tile of {tile} pixels is too small. The receptive field extends {receptive_field.radius} pixels to "
            f"each side, so exact tiles need at least {least} pixels."
        )
    if tile % receptive_field.multiple:
        raise InputError(
            f"A tile of {tile} pixels isn't a multiple of {receptive_field.multiple}, as this model needs."
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
