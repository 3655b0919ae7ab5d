"""Every registered network in every format, with its parity report: the table of docs/export.md.

python -m release.exports
python -m release.exports --half
python -m release.exports wdsr_tf/weights/*.keras

Networks are as registered, at x2 or their only scale, with fresh weights (see OTHERWISE for what differs), or those of
the checkpoints that are named.
"""

import gc
import tempfile
from pathlib import Path

from absl import app, flags

from benchmarks import timing
from wdsr_tf.commands import flags as cli
from wdsr_tf.export.formats import FORMATS, demand
from wdsr_tf.export.report import cells, row

OTHERWISE = {"drrn": {"num_units": 9}}  # B1U9: the registered B1U25 takes minutes for a picture
TILES = (64, 96, 128)  # of LiteRT: the first that is large enough
HEADER = ("network", "format", "bytes", "largest difference", "mean", "PSNR", "loaded in", "LR megapixel")

FLAGS = flags.FLAGS
flags.DEFINE_list("network", None, "Which networks; default: all.")
flags.DEFINE_list("format", list(FORMATS), "Which formats.")
flags.DEFINE_bool("half", False, "Weights in float16.")
flags.DEFINE_bool("image", False, "Bytes in, bytes out.")


def main(argv):
    formats = demand(FLAGS.format)
    cli.load_keras()
    timing.protocol(
        "Differences in gray levels, the worst of three pictures; PSNR, load time and seconds for an LR megapixel of "
        "the drawn picture, or of a tile, beside whatever else the machine had to do."
    )
    print()
    print(row(HEADER))
    print(row(["---"] * len(HEADER)), flush=True)
    failed = []
    for name, model in checkpoints(argv[1:]) if argv[1:] else registered():
        with tempfile.TemporaryDirectory() as folder:
            failed += measure(name, model, formats, folder)
        gc.collect()
    print(f"\n{len(failed)} of them failed or were refused.")
    for error in failed:
        print(f"- {error}")
    return 1 if failed else 0


def checkpoints(paths):
    """Yields (name, network) of each file."""
    from wdsr_tf import checkpoint

    for path in map(Path, paths):
        yield path.stem, checkpoint.load(path)


def registered():
    """Yields (name, network) of each network that --network wants, with fresh weights."""
    import keras

    from wdsr_tf.models import create_model, get_architecture, list_models

    for name in FLAGS.network or list_models():
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        scales = get_architecture(name).scales
        model = create_model(name, 2 if 2 in scales else scales[0], **OTHERWISE.get(name, {}))
        yield f"{name}-x{model.scale}", model


def measure(name, model, formats, folder):
    """Prints a row per format; returns why others are missing."""
    from wdsr_tf.export.export import Export
    from wdsr_tf.models.receptive_field import of_graph

    tile = next((tile for tile in TILES if tile > 2 * of_graph(model).radius), TILES[-1])  # else it is refused
    export = Export(model, name, half=FLAGS.half, image=FLAGS.image, tile=tile)
    failed = []
    for each in formats:
        cards, errors = export.write_all([each], folder)
        for card in cards:
            print(row((name, each, *cells(card))), flush=True)
        failed += [f"{name}: {error}" for error in errors]
    return failed


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
