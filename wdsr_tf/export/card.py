"""Model cards: descriptions of models in JSON for programs and in Markdown for people.

`card(model)` collects them from the network and its facts, and leaves out what isn't known. The cards of exported
models contain more, see docs/export.md.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wdsr_tf import __version__
from wdsr_tf.errors import InputError, line
from wdsr_tf.files import atomic

if TYPE_CHECKING:
    from wdsr_tf.models import SRModel

VERSION = 1
TEXTS = ("description", "recipe", "command", "seconds", "hardware", "jpeg")  # facts that are copied
FIGURES = (("psnr", 2), ("ssim", 4), ("bicubic", 2))  # with their decimals
ORIGIN = {"source": "file", "sha256": "sha256", "format": "format", "project": "project", "converter": "converter"}


def card(model: SRModel, name: str | None = None) -> dict[str, Any]:
    """Returns a model's card as plain JSON values.

    Args:
        model: the model.
        name: the name of its file without suffix, by default its architecture and scale.
    """
    from wdsr_tf.models.multiply_adds import multiply_adds

    facts = model.facts
    name = name or f"{model.architecture}-x{model.scale}"
    image = {"layout": "NHWC", "channels": "RGB", "range": [0, 255], "dtype": "float32"}
    card = {
        "format_version": VERSION,
        "name": name,
        "title": facts.get("title", f"{model.architecture} x{model.scale}"),
        "architecture": model.architecture,
        "scale": model.scale,
        "hyperparameters": model.hyperparameters,
        "parameters": model.count_params(),
        "multiply_adds_per_pixel": multiply_adds(model),
        "receptive_field": receptive_field(model),
        "input": image,
        "output": dict(image),
        "license": facts.get("license", "not stated"),
    }
    card |= {key: facts[key] for key in ("training_data", "figures", *TEXTS) if key in facts}
    origin = {ours: facts[theirs] for theirs, ours in ORIGIN.items() if theirs in facts}
    if origin:
        card["source"] = origin
    card["versions"] = {"wdsr_tf": __version__, "keras": metadata.version("keras")}
    return json.loads(json.dumps(card))  # a deep copy with plain values


def receptive_field(model: SRModel) -> dict[str, Any]:
    """Returns what a card says about tiles, with the measured `overlap` and `difference` if the facts have them."""
    from wdsr_tf.models.receptive_field import of_graph

    known = of_graph(model)
    known = {"radius": known.radius, "multiple": known.multiple, "global_mean": known.global_mean}
    return known | model.facts.get("tiles", {})


def write(card: dict[str, Any], path: str | Path) -> None:
    """Writes a card to `path`.json and `path`.md."""
    path = Path(path)
    for suffix, text in ((".md", markdown(card)), (".json", json.dumps(card, indent=2, ensure_ascii=False) + "\n")):
        with atomic(path.with_name(path.name + suffix)) as temporary:
            temporary.write_text(text, encoding="utf-8")


def read(path: str | Path) -> dict[str, Any]:
    """Reads a card from a JSON file.

    Raises:
        InputError: the file isn't a model card.
    """
    try:
        card = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a model card: {line(error)}") from error
    if not isinstance(card, dict) or card.get("format_version") != VERSION:
        raise InputError(f"{path}: not a model card of version {VERSION}")
    return card


def markdown(card: dict[str, Any]) -> str:
    """Returns a card in Markdown."""
    lines = [f"# {card['title']}", ""]
    if "description" in card:
        lines += [card["description"], ""]
    lines += _table(("", ""), _facts(card))
    if "figures" in card:
        rows = [_figures(name, figures) for name, figures in card["figures"].items()]
        lines += ["", "## Figures", "", *_table(("dataset", "PSNR", "SSIM", "bicubic", "protocol"), rows)]
    if "parity" in card:
        lines += ["", "## Comparison with Keras", "", *_parity(card)]
    if "command" in card:
        commands = card["command"] if isinstance(card["command"], list) else [card["command"]]
        lines += ["", "## How it was made", "", "```", *commands, "```"]
    return "\n".join(lines) + "\n"


def _facts(card):
    """Yields (label, value) of everything that fits into a line."""
    receptive_field, image = card["receptive_field"], card["input"]
    low, high = image["range"]
    yield "input, output", f"{image['channels']} in {low}..{high}, {image['layout']}, {image['dtype']}; not normalized"
    hyperparameters = ", ".join(f"{key}={value}" for key, value in card["hyperparameters"].items())
    yield "network", f"{card['architecture']} x{card['scale']}: {hyperparameters}"
    yield "parameters", f"{card['parameters']:,}"
    yield "multiply-adds per LR pixel", f"{card['multiply_adds_per_pixel']:,}"
    yield (
        "receptive field",
        f"{receptive_field['radius']} LR pixels on each side"
        + (", and means over the whole input" if receptive_field["global_mean"] else ""),
    )
    if "overlap" in receptive_field:
        yield (
            "tiles",
            f"overlap by {receptive_field['overlap']} LR pixels; a tiled test image differs from the whole by "
            f"{receptive_field['difference']:.2g} of 255 at most",
        )
    if receptive_field["multiple"] > 1:
        yield "tile positions", f"multiples of {receptive_field['multiple']} LR pixels"
    if "file" in card:
        yield "file", f"{card['file']}, {card['file_format']}, {card['precision']} weights, {card['bytes']:,} bytes"
    if "tile" in card:
        yield (
            "tile",
            "{} x {}".format(*card["tile"])
            + f", of which neighbors share {2 * card['overlap']} pixels"
            + ("; means are per tile, so tiles differ from the whole image" if receptive_field["global_mean"] else ""),
        )
    if "int8" in card:
        yield "int8", "costs {loss:.3f} dB of PSNR, calibrated on {calibration}".format(**card["int8"])
    for key in ("license", "training_data", "recipe", "hardware"):
        if key in card:
            yield key.replace("_", " "), card[key]
    if "seconds" in card:
        yield "trained in", f"{card['seconds'] / 3600:.1f} hours"
    if "jpeg" in card:
        yield "removes JPEG artifacts", "of quality {} to {}".format(*card["jpeg"])
    for key, value in card.get("source", {}).items():
        yield f"source, {key}", value
    if isinstance(card.get("sha256"), str):
        yield "SHA-256", card["sha256"]
    yield "versions", ", ".join(f"{name} {version}" for name, version in card["versions"].items())


def _figures(name, figures):
    numbers = [f"{figures[key]:.{digits}f}" if key in figures else "" for key, digits in FIGURES]
    return [name, *numbers, figures.get("protocol", "")]


def _parity(card):
    parity = card["parity"]
    yield (
        f"{parity['runtime']} and {parity['against']}: differences in gray levels of 255 (limit {parity['limit']:g}), "
        "and the difference in PSNR to the HR image of the drawn one."
    )
    yield ""
    rows = [
        (
            f"{name}, {figures['height']} x {figures['width']}",
            f"{figures['maximum']:.2g}",
            f"{figures['mean']:.2g}",
            f"{figures['psnr_difference']:+.4f} dB" if "psnr_difference" in figures else "",
        )
        for name, figures in parity["pictures"].items()
    ]
    yield from _table(("image", "largest", "mean", "PSNR"), rows)
    yield ""
    yield f"Load time {parity['load_seconds']:.2f} s, {parity['seconds_per_megapixel']:.1f} s per LR megapixel."


def _table(header, rows):
    """Yields the lines of a Markdown table."""
    yield _row(header)
    yield _row(["---"] * len(header))
    for row in rows:
        yield _row(row)


def _row(cells):
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
