"""Which networks run, in which order, for the enlargement that a person wants. Imports no Keras."""

import dataclasses
import math
import re
from pathlib import Path

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError

STANDARD_TABLE = 3685  # the sum of the table for luma in the JPEG standard, which libjpeg calls quality 50
CLEAN = 93  # from about this quality on, a network for noise costs more detail than it takes noise: docs/benchmarks.md


@dataclasses.dataclass(frozen=True)
class Network:
    """A checkpoint by what decides whether it is chosen.

    Attributes:
        path: where it lies.
        scale: how much it enlarges.
        noise: the level of JPEG noise that it takes away, of a waifu2x network (`noise1_scale2.0x_model`), or None.
        psnr: what its name says that it reached, `epoch-001-psnr-34.5394`, else the first of the figures that it keeps,
            as those do that ship; -inf where neither says anything.
        jpeg: whether it takes away the noise of JPEG of any quality, and so of any level.
    """

    path: Path
    scale: int
    noise: int | None
    psnr: float
    jpeg: bool = False


def networks(path):
    """The network at `path`, or all whole ones in the folder; InputError where there is none."""
    path = Path(path)
    if path.is_file():
        return [_network(path)]
    found = [file for file in sorted(path.rglob("*.keras")) if not file.name.startswith(".")]
    if not found:
        raise InputError(
            f"there is no trained network at {path}: train one, for instance with "
            "'python train.py --profile wdsr-a-8', convert published weights with 'python convert.py ... weights', or "
            "name a checkpoint with -m"
        )
    whole, broken = [], []
    for file in found:
        try:
            whole.append(_network(file))
        except InputError as error:
            broken.append(error)
    if not whole:
        raise broken[0]
    return whole


def passes(known, factor=None, noise=None, jpeg=False):
    """The networks to run, in order, until a picture is at least `factor` times as large.

    Of networks that do equally well, the one with the highest PSNR is taken. Without a factor the best network runs
    once. With a noise level, a network for that level comes first: one that enlarges as well, else one that only
    cleans; where there is none, one for JPEG of any quality. That one comes first, too, for a picture from a noisy JPEG
    file, `jpeg`. What is enlarged further goes through networks that leave noise as it is, as it has none any more.
    """
    for_jpeg = [network for network in known if network.jpeg and network.scale > 1]
    if noise is None:
        upscaled = factor or best(_plain(known)).scale  # as much from JPEG as from any other file
        if not (jpeg and for_jpeg and upscaled > 1):
            return _upscaling(known, factor)
        fitting, factor = for_jpeg, upscaled
    else:
        fitting = [network for network in known if network.noise == noise] or for_jpeg
    if not fitting:
        levels = sorted({network.noise for network in known if network.noise is not None})
        there = f"there are {', '.join(map(str, levels))}" if levels else "none of these networks has one in its name"
        raise InputError(f"no network takes away noise of level {noise}: {there}")
    clean = [network for network in known if network.noise is None] or fitting
    cleaning = [network for network in fitting if network.scale == 1]
    upscaling = [network for network in fitting if network.scale > 1]
    wants_enlargement = factor is None or factor > 1
    if wants_enlargement and upscaling:
        first = best(upscaling)
        rest = 1 if factor is None else factor / first.scale
        return [first, *(_upscaling(clean, rest) if rest > 1 else [])]
    if not cleaning:
        raise InputError(
            f"the networks for noise of level {noise} enlarge as well: a factor of {factor:g} is too small"
        )
    return [best(cleaning), *(_upscaling(clean, factor) if wants_enlargement else [])]


def is_noisy_jpeg(path):
    """Whether the file at `path` is a JPEG, whatever it is called, whose noise is worth taking away.

    From CLEAN on it is not.
    """
    quality = jpeg_quality(path)
    return quality is not None and quality < CLEAN


def jpeg_quality(path):
    """The quality, 1 to 100, at which libjpeg would quantize luma as finely on the mean; None where it is no JPEG."""
    from PIL import Image

    try:
        with Image.open(path, formats=["JPEG"]) as image:
            mean = sum(image.quantization[0]) / STANDARD_TABLE
    except Exception:  # no JPEG, or one that will be said to be broken when it is read
        return None
    return 100 - 50 * mean if mean <= 1 else 50 / mean


def best(known):
    """The network with the highest PSNR; of equals, the last by name."""
    return max(known, key=lambda network: (network.psnr, network.path.name, network.path))


def _plain(known):
    """Those that leave noise as it is, or all where there are none."""
    return [network for network in known if network.noise is None and not network.jpeg] or known


def _upscaling(known, factor):
    known = _plain(known)
    if factor is None:
        return [best(known)]
    if factor <= 1:
        return []
    upscaling = [network for network in known if network.scale > 1]
    if not upscaling:
        raise InputError(f"{best(known).path}: does not enlarge, but a factor of {factor:g} was asked for")
    times = {network: math.ceil(round(math.log(factor, network.scale), 9)) for network in upscaling}
    least = min((times[network], network.scale) for network in upscaling)
    chosen = best([network for network in upscaling if (times[network], network.scale) == least])
    return [chosen] * times[chosen]


def _network(path):
    recipe = checkpoint.read_config(path)
    facts = recipe.get("facts", {})
    if type(recipe["scale"]) is not int or recipe["scale"] < 1 or not isinstance(facts, dict):
        raise checkpoint.CheckpointError(f"{path}: says it is a network of wdsr_tf, but its recipe is damaged")
    source = str(facts.get("source", ""))  # an importer's, whose names carry the level
    noise = re.search(r"noise(\d)", path.stem) or re.search(r"noise(\d)", source)
    return Network(path, recipe["scale"], int(noise[1]) if noise else None, _psnr(path, facts), "jpeg" in facts)


def _psnr(path, facts):
    if named := re.search(r"-psnr-(\d+\.\d+)", path.name):
        return float(named[1])
    try:
        return float(next(iter(facts["figures"].values()))["psnr"])
    except (KeyError, StopIteration, AttributeError, TypeError, ValueError):  # none, or not ours
        return float("-inf")
