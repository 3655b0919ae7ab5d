"""Single-image super-resolution in Keras 3: upscale images, and train, evaluate and export models.

    import wdsr_tf

    array = wdsr_tf.upscale("photo.jpg", scale=2)  # with a bundled model: needs neither Keras nor a GPU
    config = wdsr_tf.TrainingConfig(model="wdsr-a", scale=2, dataset="DIV2K_BIN", epochs=10)
    run = wdsr_tf.train(config)
    print(wdsr_tf.evaluate(run.models, dataset="DIV2K_BIN").table())
    wdsr_tf.upscale("photo.jpg", run.best)

Importing the package imports neither NumPy nor Keras; each function imports what it needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wdsr_tf.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    import numpy as np
    import PIL.Image

    from wdsr_tf import data, images
    from wdsr_tf.evaluation.report import Ranking
    from wdsr_tf.inference.upscaler import Upscaler
    from wdsr_tf.models import SRModel
    from wdsr_tf.training.config import TrainingConfig
    from wdsr_tf.training.run import Run

    PathLike: TypeAlias = str | os.PathLike[str]
    Image: TypeAlias = PathLike | np.ndarray | PIL.Image.Image
    Model: TypeAlias = PathLike | SRModel

__version__ = "0.2.0.dev0"

__all__ = [
    "InputError",
    "TrainingConfig",
    "Upscaler",
    "create_model",
    "data",
    "evaluate",
    "export",
    "images",
    "interpolate",
    "list_models",
    "load",
    "train",
    "upscale",
]

_CLASSES = {"TrainingConfig": "wdsr_tf.training.config", "Upscaler": "wdsr_tf.inference.upscaler"}

# The package wdsr_tf.export takes this name when it's first imported; `export` below then replaces it for good.
importlib.import_module("wdsr_tf.export")


def upscale(
    image: Image,
    model: Model | None = None,
    *,
    scale: float | str | None = None,
    size: str | tuple[int | None, int | None] | None = None,
    noise: int | None = None,
    engine: str = "auto",
    precision: str = "auto",
    device: str = "auto",
    memory: str | int | None = None,
    tile: int | None = None,
    overlap: int | None = None,
    self_ensemble: bool = False,
    max_pixels: float = 250e6,
    progress: Callable[[float], None] | None = None,
) -> np.ndarray | PIL.Image.Image:
    """Upscales one image. Opened models are kept, so the next call with the same options starts at once.

    `Upscaler` has more options, and upscales files with their metadata and animations.

    Args:
        image: a path; a NumPy array H x W (gray), H x W x 1, H x W x 3 or H x W x 4 (with alpha) of type uint8, uint16,
            or float32 or float64 in [0, 1]; or a PIL image.
        model: a checkpoint, an ONNX file of ours, or any published weights file, or its URL; a folder of checkpoints to
            choose from; or a loaded model. Default: the bundled models.
        scale: factor, such as 2 or 3.5. Default: the model's.
        size: size of the result in pixels instead of a factor: "4000x" (width), "x3000" (height) or "4000x3000".
        noise: level of noise to remove, 0 to 3: JPEG artifacts, and part of any grain. Default: artifacts are removed
            from JPEG images below quality 93 if there is a model for that.
        engine: "onnx", "openvino" or "keras". Default: OpenVINO for bfloat16, otherwise ONNX Runtime if it can run the
            model, otherwise Keras.
        precision: "float32", "bfloat16", "float16" or "int8", which not every engine has. Default: what is fastest on
            this machine within 0.02 dB: bfloat16 or float32.
        device: "cpu", "gpu", or "gpu:1" and so on. Default: the CPU for "onnx" and "openvino", the backend's choice for
            "keras".
        memory: limit for tiles, such as "2GiB" or "50%" of the free memory. Default: half of it, at most 1 GiB.
        tile: side of a tile in LR pixels, instead of `memory`.
        overlap: LR pixels that neighboring tiles share on each side. Default: the radius of the receptive field up to
            96, beyond it what keeps a test image within half a level.
        self_ensemble: average over eight flips and rotations: slightly better, and eight times as slow.
        max_pixels: limit for images that are read from files.
        progress: called with the fraction of the work that is done, up to 1.0.

    Returns:
        A PIL image for a PIL image; otherwise an array, of the same type and layout as the given array.

    Raises:
        InputError: if the image, the model or an option can't be used, or memory is too small for a tile.
    """
    from wdsr_tf.inference.upscale import upscale

    return upscale(
        image,
        model,
        scale=scale,
        size=size,
        noise=noise,
        engine=engine,
        precision=precision,
        device=device,
        memory=memory,
        tile=tile,
        overlap=overlap,
        self_ensemble=self_ensemble,
        max_pixels=max_pixels,
        progress=progress,
    )


def train(
    config: TrainingConfig,
    *,
    resume: Run | PathLike | bool | None = None,
    log: Callable[[str], None] | None = print,
) -> Run | None:
    """Trains a model. Equal configs give equal weights, bit by bit.

    Args:
        config: what to train, on what, and how.
        resume: the run to continue, as a `Run`, a folder or a name in `config.outdir`; True is the newest run there.
            Default: start a new run.
        log: called with each line of progress; None for silence.

    Returns:
        The run: its `folder`, `models` (folder of checkpoints), `best` (path of the best checkpoint) and `history`.
        None in processes other than the first of several.

    Raises:
        InputError: if a setting doesn't fit the dataset or the network, there is no such run, or memory ran out.
        NotFiniteError: if the loss stays infinite or NaN.
    """
    from wdsr_tf.training.train import train

    return train(config, resume=resume, log=log)


def evaluate(
    models: Model | Sequence[Model] | Mapping[str, Model],
    *,
    dataset: PathLike | None = None,
    benchmark: PathLike | None = None,
    lr_dir: PathLike | None = None,
    hr_dir: PathLike | None = None,
    scale: int | None = None,
    downgrade: str | None = None,
    validation_images: str | Iterable[int] | None = None,
    jpeg_quality: int | None = None,
    self_ensemble: bool = False,
    protocol: str | Sequence[str] = "krasserm",
    metrics: str | Sequence[str] | None = None,
    rank_by: str | None = None,
    save_images: PathLike | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    log: Callable[[str], None] | None = None,
) -> Ranking:
    """Ranks models on full-size images from one source: a dataset, a benchmark, or LR and HR folders.

    Args:
        models: a checkpoint or a published weights file, or its URL; a folder that is searched for checkpoints; a
            loaded model; a list of these; or a mapping from names to files, URLs or loaded models.
        dataset: folder that `wdsr-tf convert` or `data.make_pairs` wrote; its validation images are used.
        benchmark: folder of a benchmark such as Set5, or any folder of HR images.
        lr_dir: folder of LR images, together with `hr_dir`.
        hr_dir: folder of their HR images; can be the same folder.
        scale: upscaling factor. Default: the one that all models have.
        downgrade: which LR images, if there are several kinds. Default: "bicubic".
        validation_images: ids of the images to use: an inclusive range such as "801-900", or numbers. Default: all.
        jpeg_quality: compress LR in memory with this JPEG quality, 1 to 100.
        self_ensemble: average over eight flips and rotations of each image.
        protocol: "krasserm" (RGB, no border, float output), "ntire" (RGB, border scale + 6, rounded), "paper" (Y,
            border scale, rounded), "paper-gray" (the same, but a gray image is its own Y), several of them, or "all"
            of the first three. The first one ranks.
        metrics: "psnr", "ssim", "ms-ssim", "niqe" (by our own prior), "gmsd", "lr-consistency" or "color-shift", or
            several of them. Default: the first three.
        rank_by: the metric that ranks. Default: PSNR, or the first of `metrics` if PSNR isn't among them.
        save_images: folder that gets the upscaled images as PNG, in one subfolder per model and one for bicubic.
        progress: called as progress(model's name, images done, images in total).
        log: called with a line per model.

    Returns:
        The ranking: `table()` is a text, `best` is (PSNR in dB or another figure that ranks, name), `rows` has the
        figures, `result()` is JSON-like, and `failed` says why models aren't ranked.

    Raises:
        InputError: if there are no models or images, they don't fit together, or no model could be measured.
    """
    from wdsr_tf.evaluation.evaluate import evaluate

    return evaluate(
        models,
        dataset=dataset,
        benchmark=benchmark,
        lr_dir=lr_dir,
        hr_dir=hr_dir,
        scale=scale,
        downgrade=downgrade,
        validation_images=validation_images,
        jpeg_quality=jpeg_quality,
        self_ensemble=self_ensemble,
        protocol=protocol,
        metrics=metrics,
        rank_by=rank_by,
        save_images=save_images,
        progress=progress,
        log=log,
    )


def load(path: PathLike, *, model: str = "auto", scale: int | None = None, **hyperparameters: Any) -> SRModel:
    """Loads a checkpoint, or any published weights file that `wdsr-tf convert weights` recognizes.

    A published file is converted once and kept in the user's cache folder.

    Args:
        path: the file, or its URL (https://, http:// or hf://user/repo/file), which is downloaded once into the user's
            cache folder; `#sha256=...` at its end refuses any other file.
        model: architecture, for weights that fit several.
        scale: upscaling factor, for weights that fit several.
        **hyperparameters: hyperparameters, for weights that don't determine them.

    Returns:
        A Keras model from RGB in [0, 255] (N, H, W, 3) to float32 RGB in [0, 255], `scale` times as large. Its
        `architecture`, `scale`, `hyperparameters` and `facts` say what it is and where it came from.

    Raises:
        InputError: if the file is missing or damaged, can't be downloaded, isn't recognized, or doesn't fit the other
            arguments.
    """
    _require_keras("Loading a model")
    from wdsr_tf.importers.load import load_model

    return load_model(path, model=model, scale=scale, hyperparameters=hyperparameters)


def export(
    model: Model,
    outdir: PathLike,
    *,
    formats: Sequence[str] = ("onnx",),
    half: bool = False,
    int8: bool = False,
    calibration: PathLike | None = None,
    image: bool = False,
    layout: str = "nhwc",
    value_range: str = "0..255",
    tile: int | str | tuple[int, int] | None = None,
) -> list[dict[str, Any]]:
    """Exports a model for other runtimes, and compares each file with Keras.

    Args:
        model: a checkpoint or a published weights file, or its URL; or a loaded model.
        outdir: folder to write the files and their model cards to.
        formats: "onnx", "openvino", "litert" and "saved_model".
        half: store weights as float16, which halves the file.
        int8: store weights as int8 and compute with it ("openvino" and "litert"). The card has the loss in dB.
        calibration: image or folder of images for int8. Default: this project's demo images.
        image: take and return uint8; the model clips and rounds.
        layout: order of the axes of input and output, "nhwc" or "nchw".
        value_range: of the pixels, "0..255" or "0..1".
        tile: fixed size of the input in LR pixels: 128, (height, width), or "96x128". Default: any size, and 128 for
            LiteRT.

    Returns:
        The card of each file: a dictionary with file name, checksum, receptive field, parity with Keras, and so on.

    Raises:
        InputError: if a format can't hold the model or differs from Keras; other formats are written nevertheless.
    """
    from wdsr_tf.export.model import export_model

    cards, failed = export_model(
        model,
        outdir,
        formats=formats,
        half=half,
        int8=int8,
        calibration=calibration,
        image=image,
        layout=layout,
        value_range=value_range,
        tile=tile,
    )
    if failed:
        raise InputError("\n".join(map(str, failed)))
    return cards


def interpolate(
    first: Model,
    second: Model,
    alpha: float = 0.8,
    outfile: PathLike | None = None,
    *,
    scale: int | None = None,
) -> SRModel:
    """Interpolates two models of one architecture: every weight is (1 - alpha) * first + alpha * second.

    Between a model that was trained for PSNR and the adversarial one that was trained from it, this trades texture for
    fewer artifacts.

    Args:
        first: a checkpoint or a published weights file, or its URL; or a loaded model.
        second: the same.
        alpha: weight of the second model, 0 to 1.
        outfile: checkpoint (.keras) to write, atomically. Default: none.
        scale: upscaling factor, for published weights that fit several.

    Returns:
        A Keras model; see `load`. Its `facts` record alpha and the source, checksum, and license of both models.

    Raises:
        InputError: if a model can't be loaded, they differ in more than their weights, or alpha is out of bounds.
    """
    from wdsr_tf.importers.interpolate import interpolate

    return interpolate(first, second, alpha, outfile, scale=scale)


def create_model(name: str, scale: int, **hyperparameters: Any) -> SRModel:
    """Builds a model with new weights.

    Args:
        name: architecture, one of `list_models()`.
        scale: upscaling factor.
        **hyperparameters: the architecture's hyperparameters, such as `num_filters`. Defaults are the published
            baseline's.

    Returns:
        A Keras model; see `load`.

    Raises:
        InputError: if the architecture, its scale or a hyperparameter doesn't exist.
    """
    _require_keras("Building a model")
    from wdsr_tf.models import create_model

    return create_model(name, scale, **hyperparameters)


def list_models() -> list[str]:
    """Lists the architectures that `create_model` can build.

    Returns:
        Their names, sorted.
    """
    _require_keras("Listing the architectures")
    from wdsr_tf.models import list_models

    return list_models()


def _require_keras(purpose: str) -> None:
    from wdsr_tf.system.require import require_keras

    require_keras(purpose)


def __getattr__(name: str) -> Any:
    if name in ("data", "images"):
        return importlib.import_module(f"{__name__}.{name}")
    if name in _CLASSES:
        return getattr(importlib.import_module(_CLASSES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]  # what pydoc and completion show
