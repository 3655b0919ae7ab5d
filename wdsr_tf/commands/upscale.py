"""`wdsr-tf upscale` and `demo.py`: images in files, upscaled into files."""

from pathlib import Path

from wdsr_tf.commands import downloads
from wdsr_tf.commands.command import Command, complain, say

OWN_MODELS = "output/models"  # where train.py keeps the checkpoints of the newest run
ENGINES = ("auto", "onnx", "openvino", "keras")
PRECISIONS = ("auto", "float32", "float16", "int8")
BAR = "{percentage:3.0f}% |{bar}| {n:.1f}/{total:.1f} megapixels, {remaining} left{postfix}"

DESCRIPTION = """\
Reads an image or a folder of them: PNG, JPEG, WebP, TIFF, BMP, AVIF and GIF with 8 or 16 bits, gray, transparent or \
animated. Results that are already there are kept. An image that fails is reported at the end, doesn't stop the \
others, and makes the exit code 1."""


def define(flags):
    flags.section("Images")
    flags.string("indir", "demo", "Image, or folder of images, which is searched recursively.", short="i")
    flags.string("outdir", "out", "Folder for the results; subfolders are kept.", short="o")
    flags.switch("overwrite", False, "Upscale again what is there already.")
    flags.string("format", None, "Write png, jpg, webp, tif, bmp, avif or gif. Default: the image's format, or png.")
    flags.integer("quality", None, "Quality of jpg, avif and lossy webp, 1 to 100.", minimum=1, maximum=100)
    flags.number("max_pixels", 250, "Refuse larger images, in megapixels.", minimum=0)

    flags.section("Model and size")
    flags.string(
        "model",
        None,
        "Checkpoint or any published weights file, or its URL; or folder of checkpoints to choose from by scale, noise "
        "and PSNR. Default: the bundled models.",
        short="m",
    )
    downloads.define(flags, "--model")
    flags.string("scale", None, "Factor, such as 2 or 3.5. Default: the model's own.", short="s")
    flags.string("size", None, "Size in pixels instead of a factor: 4000x, x3000 or 4000x3000.")
    flags.integer(
        "noise",
        None,
        "Remove JPEG noise of this level, 0 to 3; the bundled models remove any. Default: remove the noise of JPEG "
        "files below quality 93.",
        minimum=0,
        maximum=3,
    )
    flags.switch("self_ensemble", False, "Average eight flips and rotations: slightly better, eight times as long.")

    flags.section("Computation")
    flags.choice("engine", "auto", ENGINES, "What runs the model. Default: onnx if it can run the model, else keras.")
    flags.choice(
        "precision", "auto", PRECISIONS, "int8 needs openvino, float16 needs keras and a GPU. Default: float32."
    )
    flags.switch("allow_loss", False, "Use int8 even if it costs the model more than 0.10 dB.")
    flags.string("calibration", None, "Image, or folder of images, to calibrate int8 on. Default: those in demo/.")
    flags.string(
        "memory", None, "Memory for tiles, such as 2GiB, or 50% of what is free. Default: half of it, up to 1 GiB."
    )
    flags.integer(
        "overlap",
        None,
        "LR pixels that neighboring tiles share on each side. Default: the radius of the receptive field, which is "
        "exact, up to 96; beyond, what keeps a test image within half a gray level, measured once per model.",
        minimum=0,
    )


def run(flags, words):
    from wdsr_tf.inference.folder import find, is_done, plan, suffix_of
    from wdsr_tf.inference.upscaler import Upscaler

    if flags.model is None and Path(OWN_MODELS).exists():
        say(f"Using the bundled models; -m {OWN_MODELS} uses your own.")
    suffix = suffix_of(flags.format)
    sources = find(flags.indir, flags.outdir, say)
    upscaler = Upscaler(
        downloads.fetched(flags.model, flags, flags.sha256),
        scale=flags.scale,
        size=flags.size,
        noise=flags.noise,
        engine=flags.engine,
        precision=flags.precision,
        allow_loss=flags.allow_loss,
        calibration=flags.calibration,
        memory=flags.memory,
        overlap=flags.overlap,
        self_ensemble=flags.self_ensemble,
        quality=flags.quality,
        max_pixels=round(flags.max_pixels * 1e6),
        log=say,
    )
    pairs = plan(sources, flags.indir, flags.outdir, upscaler.result_size, suffix)
    todo = [pair for pair in pairs if flags.overwrite or not is_done(*pair, upscaler.result_size)]
    if len(todo) < len(pairs):
        say(f"{len(pairs) - len(todo)} of {len(pairs)} images are done already; --overwrite upscales them again.")
    if not todo:
        return 0
    failures = upscale_all(upscaler, todo)
    say(f"Wrote {len(todo) - len(failures)} of {len(todo)} images to {flags.outdir}.")
    for source, error in failures:
        complain(f"Failed: {source}: {str(error).removeprefix(f'{source}: ')}")
    return 1 if failures else 0


def upscale_all(upscaler, todo):
    """Upscales the pairs (source, target) and shows progress in megapixels; returns [(source, error)] of failures."""
    from tqdm import tqdm

    from wdsr_tf.files import sweep

    for folder in {target.parent for _, target in todo}:
        sweep(folder)
    megapixels = [_expected(upscaler, source) for source, _ in todo]
    failures, done = [], 0
    with tqdm(total=sum(megapixels), bar_format=BAR) as bar:
        for (source, target), own in zip(todo, megapixels, strict=True):
            bar.set_postfix_str(source.name)

            def show(fraction, before=done, own=own):
                bar.update(max(0.0, before + fraction * own - bar.n))

            try:
                upscaler.upscale_file(source, target, show)
            except Exception as error:  # whatever is wrong with one image, the others are upscaled
                failures.append((source, error))
            done += own
            bar.update(done - bar.n)
    return failures


def _expected(upscaler, source):
    """The megapixels of the result, from the image's header; 0 if it can't be read, which is reported later."""
    import math

    from wdsr_tf import images

    try:
        return math.prod(upscaler.result_size(*images.size(source, upscaler.max_pixels))) / 1e6
    except Exception:
        return 0.0


COMMAND = Command("upscale", "Upscales images with a trained model.", define, run, description=DESCRIPTION)
