"""Enlarges pictures with a trained network: `python demo.py -i demo -o out`."""

import sys

from absl import app, flags

from wdsr_tf import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("indir", "demo", "A picture, or a folder of pictures (searched recursively).", short_name="i")
flags.DEFINE_string("outdir", "out", "Where the enlarged pictures go; the folder structure is kept.", short_name="o")
flags.DEFINE_string(
    "model", "output/models", "A checkpoint, or a folder: of the newest run's, the best PSNR.", short_name="m"
)
flags.DEFINE_bool("overwrite", False, "Enlarge again what is there already.")


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"what is {argv[1]!r}? Pictures are named with -i")
    from tqdm import tqdm

    from wdsr_tf import images
    from wdsr_tf.inference.folder import best_checkpoint, is_done, plan

    pairs = plan(FLAGS.indir, FLAGS.outdir)
    todo = [pair for pair in pairs if FLAGS.overwrite or not is_done(*pair)]
    if len(todo) < len(pairs):
        cli.say(f"{len(pairs) - len(todo)} of {len(pairs)} are done already; --overwrite makes them again")
    if not todo:
        return 0

    checkpoint = best_checkpoint(FLAGS.model)
    cli.load_keras()
    from wdsr_tf import checkpoint as checkpoints
    from wdsr_tf.inference.upscale import upscale_picture

    model = checkpoints.load(checkpoint)
    cli.say(f"{checkpoint}: {model.architecture} x{model.scale}")
    failures = []
    for source, target in tqdm(todo, unit="picture"):
        try:
            images.write(target, upscale_picture(model, images.read_picture(source)))
        except Exception as error:  # one picture, whatever is wrong with it, must not cost the others
            failures.append((source, error))
    cli.say(f"{len(todo) - len(failures)} pictures written to {FLAGS.outdir}")
    for source, error in failures:
        print(f"failed: {source}: {error}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
