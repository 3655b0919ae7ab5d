"""Network interpolation: the weights between two models, as ESRGAN's authors use it against artifacts.

Wang et al., 2018, https://arxiv.org/abs/1809.00219, section 3.4. It makes sense if one model was trained from the
other, such as an adversarial one from the PSNR-oriented one that it started from.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError, line
from wdsr_tf.importers.download import local
from wdsr_tf.importers.origin import loaded
from wdsr_tf.system.require import require_keras

if TYPE_CHECKING:
    from wdsr_tf.models.registry import SRModel


def interpolate(
    first: Any,
    second: Any,
    alpha: float = 0.8,
    target: str | Path | None = None,
    *,
    scale: int | None = None,
    log: Callable[[str], None] | None = None,
) -> "SRModel":
    """Returns the model with the weights (1 - alpha) * first + alpha * second.

    Args:
        first, second: Checkpoints, published weights files, or their URLs; or loaded models. Both are of one
            architecture, with the same scale and hyperparameters.
        alpha: 0 for `first`, 1 for `second`, and values between them.
        target: The checkpoint to write, atomically; None for none.
        scale: Upscaling factor, for published weights that fit several.
        log: Called with a line if published weights are recognized.

    Raises:
        InputError: alpha is out of bounds, a file can't be loaded, the models differ in more than their weights, or
            `target` can't be a checkpoint. It isn't touched then.
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha must be between 0, the first model, and 1, the second; it is {alpha}.")
    if target is not None:
        _check_target(Path(target), [each for each in (first, second) if not hasattr(each, "architecture")])
    require_keras("Interpolating models")
    (a, origin_a), (b, origin_b) = (loaded(each, scale, log) for each in (first, second))
    _check_recipes({origin_a["source"]: a.recipe}, {origin_b["source"]: b.recipe})
    result = type(a).from_config(a.get_config() | {"facts": _facts(origin_a, origin_b, alpha)})
    result.set_weights([_between(*pair, alpha) for pair in zip(a.get_weights(), b.get_weights(), strict=True)])
    if target is not None:
        checkpoint.save(result, target)
    return result


def _check_target(target, sources):
    if target.suffix != ".keras" or target.is_dir():
        raise InputError(f"{target}: The result is a checkpoint. Name a file that ends in .keras.")
    for source in map(local, sources):
        if target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"{target} is one of the models, which would be overwritten. Choose another name.")


def _check_recipes(first, second):
    """Raises InputError unless the models, as {source: recipe}, differ in weights alone."""
    ((source_a, a),), ((source_b, b),) = first.items(), second.items()
    different = [name for name in {**a, **b} if name not in a or name not in b or a[name] != b[name]]
    if different:
        has = [line({name: recipe[name] for name in different if name in recipe}) for recipe in (a, b)]
        raise InputError(
            f"Only models that differ in weights alone can be interpolated: {source_a} has {has[0]}, and "
            f"{source_b} has {has[1]}."
        )


def _facts(first, second, alpha):
    """What the checkpoint records: both origins, and a license that names those of both."""
    facts = {"interpolation": {"alpha": alpha, "first": first, "second": second}}
    licenses = [origin.get("license", "not stated") for origin in (first, second)]
    return facts | ({"license": " and ".join(dict.fromkeys(licenses))} if set(licenses) != {"not stated"} else {})


def _between(a, b, alpha):
    """The weights between two arrays. Integers, such as states of random generators, stay those of `a`."""
    if not np.issubdtype(a.dtype, np.floating):
        return a
    return ((1 - alpha) * a.astype("float64") + alpha * b.astype("float64")).astype(a.dtype)
