"""A published weights file -> a checkpoint, and a checkpoint -> a weights file or a plain checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers import load
from wdsr_tf.importers.download import local
from wdsr_tf.importers.export_weights import check_suffix, export_weights, layout_of, unrecorded
from wdsr_tf.system.require import require_keras


def to_checkpoint(
    source: str | Path,
    target: str | Path,
    *,
    model: str = "auto",
    scale: int | None = None,
    hyperparameters: dict[str, Any] | None = None,
    license: str | None = None,
    log: Callable[[str], None] | None = None,
) -> None:
    """Converts a weights file of any supported project and format into a checkpoint, which records its source.

    Args:
        source: The weights file, or its URL.
        target: The checkpoint (.keras), written atomically.
        model: Architecture, for weights that fit several.
        scale: Scale, for weights that fit several; by default the only one.
        hyperparameters: Dictionary of hyperparameters that the weights don't determine.
        license: The license of the weights, to record in the checkpoint.
        log: Called with each line about what was recognized and written.

    Raises:
        InputError: The file can't be read, isn't recognized, or fits several models; `target` isn't touched.
    """
    source, target, log = local(source), Path(target), log or (lambda line: None)
    _check_files(source, target)
    weights, chosen = load.recognized(source, model=model, scale=scale, hyperparameters=hyperparameters)
    log(f"{source}: {weights.format}, {len(weights.arrays)} tensors: {chosen}")
    if chosen.note:
        log(f"Note: {chosen.note}")
    network = load.build(weights, chosen, license)
    checkpoint.save(network, target)
    log(f"{target}: {network.architecture} x{network.scale}{_other_scales(chosen)}")


def to_weights(
    source: str | Path,
    target: str | Path,
    *,
    layout: str | None = None,
    log: Callable[[str], None] | None = None,
) -> None:
    """Writes the weights of a checkpoint for other programs.

    Args:
        source: The checkpoint (.keras), or its URL.
        target: The file to write; its suffix determines the format (.npz, .safetensors, .pth or .pt).
        layout: "ours" for names such as layer/weight, or "pytorch" for those of published PyTorch code; default:
            pytorch for .pth and .pt, otherwise ours.
        log: Called with each line about what was written.

    Raises:
        InputError: The checkpoint can't be read, or the format or layout can't hold it; `target` isn't touched.
    """
    source, target, log = local(source), Path(target), log or (lambda line: None)
    _check_files(source, target)
    check_suffix(target)
    checkpoint.read_config(source)
    require_keras(f"Reading {source}")
    network = checkpoint.load(source)
    layout = layout or layout_of(target)
    count = export_weights(network, target, layout)
    log(f"{target}: {count} arrays of {network.architecture} x{network.scale}")
    if layout == "pytorch":
        for name, value in unrecorded(target, network).items():
            log(f"The file doesn't record {name}={value}: set it in the code that loads the file.")
        if network.architecture.startswith("wdsr") and network.hyperparameters["variant"] == "krasserm":
            log("wdsr_tf/weights/wdsr_pytorch.py runs it in PyTorch; see docs/export.md.")


def to_plain(source: str | Path, target: str | Path, *, log: Callable[[str], None] | None = None) -> None:
    """Writes a checkpoint whose weight-normalized or reparameterized convolutions are plain ones with equal output.

    Args:
        source: The checkpoint (.keras), or its URL.
        target: The checkpoint to write, atomically.
        log: Called with a line about what was written.

    Raises:
        InputError: The checkpoint can't be read, or has plain convolutions already; `target` isn't touched.
    """
    source, target, log = local(source), Path(target), log or (lambda line: None)
    _check_files(source, target)
    recipe = checkpoint.read_config(source)
    require_keras(f"Reading {source}")
    from wdsr_tf.models import fold, is_plain

    if is_plain(recipe["hyperparameters"]):
        raise InputError(
            f"{source} has plain convolutions already, so there is nothing to fold. To write its weights for other "
            f"programs: convert.py -i {source} -o {source.with_suffix('.npz').name} weights"
        )
    network = fold(checkpoint.load(source))
    checkpoint.save(network, target)
    log(f"{target}: {network.architecture} x{network.scale}, plain, {network.count_params():,} parameters")


def _check_files(source, target):
    if target.is_dir():
        raise InputError(f"{target} is a folder. Name the file to write.")
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(f"{source} and {target} are the same file, which would be overwritten. Choose another name.")


def _other_scales(chosen):
    """What to say about the other scales of the weights."""
    others = [scale for scale in chosen.scales if scale != chosen.scale]
    if not others:
        return ""
    listed = " and ".join(f"x{scale}" for scale in others)
    if chosen.all_in_one:
        return f"; it keeps {listed} too, but runs at x{chosen.scale}"
    return f"; the file also fits {listed}"
