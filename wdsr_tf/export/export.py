"""A checkpoint's network into files of other formats: each is proved, has a card beside it, and is whole or absent."""

import contextlib
import copy
import functools
import secrets
import shutil
import time
from importlib import metadata
from pathlib import Path

import keras

from wdsr_tf.errors import InputError
from wdsr_tf.export import card as cards
from wdsr_tf.export import formats, parity
from wdsr_tf.files import ABANDONED, TEMPORARY, sha256
from wdsr_tf.models import fold
from wdsr_tf.models.receptive_field import of_graph

TILE = 128


class Export:
    """One network on its way out; `write(format, outdir)` once per format.

    Attributes:
        model: the network in float32, its weight normalization multiplied out.
        name: of the files, without suffix.
        card: of the network as it was given; that of each file says more.
        half: weights in float16.
        image: bytes in and out, clipped and rounded inside.
        tile: height and width of the input, where the format has one size of input.
        sha256: of the checkpoint, where there is one.
    """

    def __init__(self, model, name, *, half=False, image=False, tile=TILE, sha256=None):
        self.model, self.name = exact(model), name
        self.card = cards.card(model, name)
        self.half, self.image, self.tile, self.sha256 = half, image, tile, sha256
        self.samples = functools.cache(functools.partial(parity.samples, self.model))

    @property
    def precision(self):
        return "float16" if self.half else "float32"

    def write(self, name, outdir):
        """Writes the network in the format `name`, and its card; returns the card.

        Raises InputError, and leaves `outdir` as it was, where the format cannot hold the network or does not compute
        what Keras does.
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
                raise InputError(f"{name}: {error}; nothing is written") from error
            card = self._card(name, path, {"load_seconds": seconds} | report)
            cards.write(card, folder / f"{self.name}{form.card}")
        return card

    def write_all(self, names, outdir):
        """(cards, errors): of the formats that were written, and why the others were not."""
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


def exact(model):
    """The network in float32 whatever it was trained in, its weight normalization multiplied out."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        return fold(model)
    finally:
        keras.config.set_dtype_policy(before)


def check_tile(tile, receptive_field):
    """InputError where exact tiles cannot be cut with that size."""
    least = 2 * receptive_field.radius + 1
    if tile < least:
        raise InputError(
            f"--tile {tile} is too small: the receptive field reaches {receptive_field.radius} pixels to each side, so an exact "
            f"tile needs at least {least} pixels"
        )
    if tile % receptive_field.multiple:
        raise InputError(f"--tile {tile} is not a multiple of {receptive_field.multiple}, which this network needs")


@contextlib.contextmanager
def aside(outdir):
    """A new folder in `outdir`, whose files and folders replace those of the same names on success."""
    outdir = Path(outdir)
    is_new = not outdir.exists()
    folder = outdir / f".{secrets.token_hex(8)}"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{outdir}: cannot be written to: {error.strerror}") from error
    _sweep(outdir)
    try:
        yield folder
        for made in sorted(folder.iterdir(), key=lambda path: path.suffix == ".json"):  # cards last: they say "whole"
            _replace(made, outdir / made.name)
    finally:
        shutil.rmtree(folder)
        if is_new:
            with contextlib.suppress(OSError):  # something is in it
                outdir.rmdir()


def _sweep(outdir):
    """Removes what a kill left of earlier exports."""
    for path in outdir.iterdir():
        if TEMPORARY.fullmatch(path.name) and path.is_dir() and time.time() - path.stat().st_mtime > ABANDONED:
            shutil.rmtree(path, ignore_errors=True)


def _replace(made, target):
    if made.is_dir() and target.is_dir():
        if not (target / "saved_model.pb").exists():
            raise InputError(f"{target} is there and no SavedModel: it is not replaced")
        target.replace(made.with_name(f"{made.name}.old"))
    made.replace(target)


def _sizes(path):
    """Bytes and SHA-256 of the network; where it is several files, {file: SHA-256}."""
    pair = path.with_suffix(".bin")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    files += [pair] if pair.exists() else []
    hashes = {file.relative_to(path.parent).as_posix(): sha256(file) for file in files}
    size = sum(file.stat().st_size for file in files)
    return {"bytes": size, "sha256": hashes[path.name] if len(files) == 1 else hashes}
