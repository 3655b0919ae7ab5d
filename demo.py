"""Enlarges pictures with a trained network: `python demo.py -i demo -o out`.

Those that ship with the package serve, unless -m names others, such as `-m output/models` after your own training.
Takes a picture or a folder of them: PNG, JPEG, WebP, TIFF, BMP, AVIF and GIF, 8 or 16 bits, gray, transparent or
animated. docs/upscaling.md says what each flag does to them. What is there already is not made again. A picture that
fails is named at the end, costs the others nothing, and makes the exit code 1.
"""

import sys
from pathlib import Path

from absl import app, flags

from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError

OWN = "output/models"  # where train.py leaves the newest run's

FLAGS = flags.FLAGS
flags.DEFINE_string("indir", "demo", "A picture, or a folder of pictures (searched recursively).", short_name="i")
flags.DEFINE_string("outdir", "out", "Where the enlarged pictures go; the folder structure is kept.", short_name="o")
flags.DEFINE_string(
    "model",
    None,
    "A checkpoint, or a folder to choose from by scale, noise and PSNR; default: the networks that ship.",
    short_name="m",
)
flags.DEFINE_bool("overwrite", False, "Enlarge again what is there already.")
flags.DEFINE_string("scale", None, "Factor, such as 2 or 3.5; default: the network's own.", short_name="s")
flags.DEFINE_string("size", None, "Instead of a factor, the size in pixels: 4000x, x3000 or 4000x3000.")
flags.DEFINE_integer("noise", None, "Take away JPEG noise of this level; what ships does for any.", 0, 3)
flags.DEFINE_bool("self_ensemble", False, "The mean over eight flips and turns: a little better, eight times as long.")
flags.DEFINE_string("format", None, "Write png, jpg, webp, tif, bmp, avif or gif; default: as the picture, or png.")
flags.DEFINE_integer("quality", None, "Of jpg, avif and lossy webp, 1 to 100.", 1, 100)
flags.DEFINE_enum("engine", "keras", ["keras", "onnx", "openvino"], "What runs the network.")
flags.DEFINE_enum("precision", "float32", ["float32", "float16", "int8"], "int8: openvino.")
flags.DEFINE_bool("allow_loss", False, "int8: use networks that lose more than 0.10 dB by it, too.")
flags.DEFINE_string("calibration", None, "int8: pictures to measure on; default: those of demo/.")
flags.DEFINE_string("memory", None, "What tiles may take, such as 2GiB or 50%; default: half of the free, up to 1 GiB.")
flags.DEFINE_float("max_pixels", 250, "Refuse larger pictures, in megapixels.", lower_bound=0)


def main(argv):
    if argv[1:]:
        raise InputError(f"{argv[1]!r} is not a flag; pictures are named with -i")
    from wdsr_tf import weights
    from wdsr_tf.inference.folder import find, is_done, plan, wished_suffix
    from wdsr_tf.inference.routing import networks
    from wdsr_tf.inference.upscaler import Upscaler, parse_size

    if FLAGS.model is None and Path(OWN).exists():
        cli.say(f"with the networks that ship; your own training is taken with -m {OWN}")
    size, suffix = parse_size(FLAGS.scale, FLAGS.size), wished_suffix(FLAGS.format)
    sources = find(FLAGS.indir, FLAGS.outdir)
    upscaler = Upscaler(
        networks(FLAGS.model or weights.FOLDER),
        size,
        FLAGS.noise,
        engine={name: FLAGS[name].value for name in ("precision", "allow_loss", "calibration")}
        | {"name": FLAGS.engine},
        how={"memory": FLAGS.memory, "self_ensemble": FLAGS.self_ensemble},
        quality=FLAGS.quality,
        max_pixels=round(FLAGS.max_pixels * 1e6),
        opened=lambda path, engine: cli.say(f"{path}: {engine.architecture} x{engine.scale}, {engine.name}"),
    )
    pairs = plan(sources, FLAGS.indir, FLAGS.outdir, upscaler.result_size, suffix)
    todo = [pair for pair in pairs if FLAGS.overwrite or not is_done(*pair, upscaler.result_size)]
    if len(todo) < len(pairs):
        cli.say(f"{len(pairs) - len(todo)} of {len(pairs)} are done already; --overwrite makes them again")
    if not todo:
        return 0
    if FLAGS.engine == "keras":
        cli.load_keras()
    failures = upscale(upscaler, todo)
    cli.say(f"{len(todo) - len(failures)} pictures written to {FLAGS.outdir}")
    for source, error in failures:
        print(f"failed: {source}: {str(error).removeprefix(f'{source}: ')}", file=sys.stderr)
    return 1 if failures else 0


def upscale(upscaler, todo):
    """Enlarges the pairs (source, target) and shows progress in megapixels; returns [(source, error)] of failures."""
    from tqdm import tqdm

    from wdsr_tf.files import sweep

    for folder in {target.parent for _, target in todo}:
        sweep(folder)
    megapixels = [expected(upscaler, source) for source, _ in todo]
    failures, done = [], 0
    shape = "{percentage:3.0f}% |{bar}| {n:.1f}/{total:.1f} megapixels, {remaining} left{postfix}"
    with tqdm(total=sum(megapixels), bar_format=shape) as bar:
        for (source, target), own in zip(todo, megapixels, strict=True):
            bar.set_postfix_str(source.name)
            done += own
            # Overlaps and passes between count as well, so that a picture may seem done too early.
            upscaler.watch = lambda pixels, most=done: bar.update(min(pixels / 1e6, most - bar.n))
            try:
                upscaler.upscale(source, target)
            except Exception as error:  # one picture, whatever is wrong with it, must not cost the others
                failures.append((source, error))
            bar.update(done - bar.n)
    return failures


def expected(upscaler, source):
    """The megapixels that `source` is to get, from its header; 0 where it cannot be read, which is said later."""
    import math

    from wdsr_tf import images

    try:
        return math.prod(upscaler.result_size(*images.size(source, upscaler.max_pixels))) / 1e6
    except Exception:
        return 0.0


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
