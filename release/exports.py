"""Every registered network in every export format, with its parity report: the table in docs/export.md.

python -m release.exports
python -m release.exports --half
python -m release.exports wdsr_tf/weights/*.keras
"""

import gc
import sys
import tempfile
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.export.formats import FORMATS, demand
from wdsr_tf.system.quiet import load_keras

OTHERWISE = {"drrn": {"num_units": 9}}  # B1U9: the registered B1U25 takes minutes per image
TILES = (64, 96, 128)  # for LiteRT: the first that is large enough
HEADER = ("network", "format", "bytes", "largest difference", "mean", "PSNR", "loaded in", "LR megapixel")


def define(flags):
    flags.list("networks", [], "Networks to export. Default: all registered networks.")
    flags.list("formats", list(FORMATS), "Formats to export to.")
    flags.switch("half", False, "Store weights as float16.")
    flags.switch("image", False, "Make models that take and return uint8.")


def run(flags, words):
    formats = demand(flags.formats)
    load_keras()
    measuring.protocol(
        "Differences in gray levels, the worst of three images; PSNR, load time and seconds per LR megapixel of the "
        "drawn image, or of a tile, on a machine that may have been busy with other things."
    )
    print()
    measuring.print_header(*HEADER)
    failed = []
    for name, model in of_checkpoints(words) if words else registered(flags.networks):
        with tempfile.TemporaryDirectory() as folder:
            failed += measure(name, model, formats, folder, half=flags.half, image=flags.image)
        gc.collect()
    print(f"\nFailed or refused: {len(failed)}")
    for error in failed:
        print(f"- {error}")
    return 1 if failed else 0


def of_checkpoints(paths):
    """Yields (name, model) of each file."""
    from wdsr_tf import checkpoint

    for path in map(Path, paths):
        yield path.stem, checkpoint.load(path)


def registered(names):
    """Yields (name, model) of the networks (default: all), with fresh weights at x2 or their only scale."""
    import keras

    from wdsr_tf.models import create_model, get_architecture, list_models

    for name in names or list_models():
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        scales = get_architecture(name).scales
        model = create_model(name, 2 if 2 in scales else scales[0], **OTHERWISE.get(name, {}))
        yield f"{name}-x{model.scale}", model


def measure(name, model, formats, folder, *, half, image):
    """Prints a row per format; returns why others failed."""
    from wdsr_tf.export.export import Export
    from wdsr_tf.export.form import Form
    from wdsr_tf.export.report import cells
    from wdsr_tf.models.receptive_field import of_graph

    tile = next((tile for tile in TILES if tile > 2 * of_graph(model).radius), TILES[-1])  # smaller ones are refused
    failed = []
    for each in formats:
        fixed = (tile, tile) if FORMATS[each].is_fixed else None
        form = Form(precision="float16" if half else "float32", image=image, tile=fixed)
        export = Export(model, name, form)
        cards, errors = export.write_all([each], folder)
        for card in cards:
            measuring.print_row(name, each, *cells(card))
        failed += [f"{name}: {error}" for error in errors]
    return failed


COMMAND = Command(
    "exports", "Exports networks to every format and prints the parity report.", define, run, "[CHECKPOINT ...]"
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m release.exports"))
