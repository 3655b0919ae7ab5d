"""Weights files of discriminators: Real-ESRGAN's `*_netD.pth`, and BasicSR's VGG style.

A discriminator only matters to a training. Files of networks that upscale are read by `load` and its neighbors.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.project import Contents, MismatchError, check_hyperparameters

if TYPE_CHECKING:
    from wdsr_tf.models.discriminators import Discriminator

SUFFIXES = (".pth", ".pt")
TELLTALES = {  # names that only this architecture has together
    "Real-ESRGAN's U-Net": ("conv0.weight", "conv1.weight_orig", "conv1.weight_u", "conv9.weight"),
    "BasicSR's VGG style": ("conv0_0.weight", "bn0_1.weight", "linear1.weight", "linear2.weight"),
}
UNET, VGG = TELLTALES
MAP_SIDE = 4  # of what the VGG style flattens


def unet(tensors, model):
    """The layout of Real-ESRGAN's UNetDiscriminatorSN: `conv0` to `conv9`."""
    weights = {"conv_0": tensors.conv("conv0")}
    for i in range(1, 9):
        weights[f"conv_{i}"] = tensors.spectral_norm_conv(f"conv{i}", size=4 if i < 4 else 3)
    return weights | {"logits": tensors.conv("conv9")}


def vgg(tensors, model):
    """The layout of BasicSR's VGGStyleDiscriminator: `conv{stage}_{0 or 1}` and `bn{stage}_{0 or 1}`."""
    weights = {}
    for i in range(6 if model.architecture == "vgg-256" else 5):
        for j in (0, 1):
            is_first = i == j == 0
            weights[f"conv_{i}_{j}"] = tensors.conv(f"conv{i}_{j}", bias=is_first)
            if not is_first:
                weights[f"norm_{i}_{j}"] = tensors.batch_norm(f"bn{i}_{j}")
    return weights | {"dense": tensors.linear("linear1", MAP_SIDE), "logits": tensors.linear("linear2")}


LAYOUTS = {"unet-sn": unet, "vgg-128": vgg, "vgg-256": vgg}


def named(names: Iterable[str]) -> str:
    """Returns why a discriminator can't upscale, or "" if the names aren't those of one that is known."""
    project = _project(names)
    if project is None:
        return ""
    return f"this is a discriminator, {project}: it judges images during adversarial training, and doesn't upscale"


def import_discriminator(path: str | Path) -> "Discriminator":
    """Returns the discriminator in a weights file of any format, recognized by the names and shapes of its tensors.

    Raises:
        InputError: The file can't be read, or doesn't hold a discriminator that is known.
    """
    from wdsr_tf.importers.import_weights import bounded
    from wdsr_tf.importers.recognize import renamed
    from wdsr_tf.importers.tensors import assign
    from wdsr_tf.models.discriminators import create_discriminator

    file = formats.read(path)
    try:
        arrays = renamed(file.arrays)
        name, num_filters = _recognized(Contents(arrays))
        with bounded(f"the discriminator {name} with {num_filters} filters", sum(a.size for a in arrays.values())):
            model = create_discriminator(name, num_filters=num_filters)
        assign(model, arrays, LAYOUTS[name])
    except (InputError, MismatchError) as error:
        raise InputError(f"{path} ({file.format}): {error}") from error
    return model


def export_discriminator(model: "Discriminator", path: str | Path) -> int:
    """Writes a discriminator for Real-ESRGAN or BasicSR, as their `pretrain_network_d`, and returns how many tensors.

    The tensors are under the key `params`. The file is written atomically.

    Raises:
        InputError: The suffix isn't PyTorch's, neither project has this discriminator, or a weight isn't finite.
    """
    from wdsr_tf.importers.export_weights import check_finite, recorded
    from wdsr_tf.importers.formats import pytorch_writer

    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: A discriminator is written for PyTorch. End the name in {' or '.join(SUFFIXES)}.")
    if model.architecture not in LAYOUTS:
        raise InputError(
            f"{model.architecture} can't be written for PyTorch, because no published code has names for it. "
            f"Discriminators that can: {', '.join(LAYOUTS)}."
        )
    arrays = recorded(LAYOUTS[model.architecture], model)
    check_finite(arrays)
    pytorch_writer.write(path, arrays, under="params")
    return len(arrays)


def _project(names):
    """The project whose telltales are all among the names, or None."""
    return next((project for project, telltales in TELLTALES.items() if set(telltales) <= set(names)), None)


def _recognized(contents):
    """Returns the name and the width of the discriminator."""
    project = _project(contents.shapes)
    if project is None:
        known = "; ".join(f"{project} has {', '.join(names)}" for project, names in TELLTALES.items())
        some = ", ".join(f"{name} {shape}" for name, shape in list(contents.shapes.items())[:6])
        raise MismatchError(f"the weights aren't those of a known discriminator. {known}. The file has {some}")
    num_filters = contents.filters("conv0.weight" if project == UNET else "conv0_0.weight", 3, 3)
    check_hyperparameters({"num_filters": num_filters})
    if project == UNET:
        return "unet-sn", num_filters
    return ("vgg-256" if contents.has("conv5_0.weight") else "vgg-128"), num_filters
