"""Ranks checkpoints by PSNR on full-size pictures: python bench.py -i output/models

Measures on a dataset that convert.py wrote, or with --lr-dir and --hr-dir on plain folders such as Set5. Prints the
ranked table and, as the last line, the best checkpoint; writes all figures to --outfile, whose layout stands at the
head of wdsr_tf/benchmark.py. A checkpoint that cannot be measured is listed with its reason, and the exit code is 1.
"""

import difflib
import sys

from absl import app, flags

from wdsr_tf import cli
from wdsr_tf.errors import InputError

FLAGS = flags.FLAGS

flags.DEFINE_string("indir", "output/models", "A checkpoint, or a folder that is searched recursively.", short_name="i")
flags.DEFINE_string("outfile", "./bench.json", "Where all figures are written.", short_name="o")
flags.DEFINE_string("dataset", "./DIV2K_BIN", "Folder that convert.py wrote.", short_name="d")
flags.DEFINE_integer(
    "scale", None, "Rank networks of this scale; default: the one they all have.", short_name="s", lower_bound=1
)
flags.DEFINE_string("downgrade", "bicubic", "How LR was made: bicubic, bicubic_jpeg_90, unknown, ...")
flags.DEFINE_string("validation_images", None, "Inclusive range of ids, such as 801-900; default: all.")
flags.DEFINE_string("lr_dir", None, "Plain folder of LR pictures, instead of a dataset; needs --hr-dir.")
flags.DEFINE_string("hr_dir", None, "Folder of their HR pictures; may be the same.")
flags.DEFINE_list("protocol", "seed", "seed, ntire, paper, several with commas, or all; the first one ranks.")

cli.define_retired("gpu_memory_fraction", "frameworks take GPU memory as they need it")


def main(argv):
    if argv[1:]:
        raise InputError(f"{argv[1]!r} is not a flag; checkpoints are named with -i")
    from wdsr_tf import benchmark

    names = protocols()
    found = benchmark.find_checkpoints(FLAGS.indir)
    checkpoints, scale, failed = benchmark.of_one_scale(found, FLAGS.scale)
    if not checkpoints:
        raise InputError(f"no checkpoint can be measured:{listed(failed)}")
    given, data = pairs(scale)
    bicubic = benchmark.measure_bicubic(given, scale, names, watch(given))
    cli.load_keras()
    rows, broken = benchmark.measure_checkpoints(checkpoints, given, scale, names, watch(given), complain)
    failed |= broken
    if not rows:
        raise InputError(f"no checkpoint could be measured:{listed(failed)}")

    ranking = benchmark.Ranking(rows, bicubic, failed, names, [pair.name for pair in given], scale, data)
    cli.say(ranking.table())
    ranking.write(FLAGS.outfile)
    if failed:
        complain(f"\nwithout a rank:{listed(failed)}")
    cli.say("\nBest PSNR = {:.4f} for model {}".format(*ranking.best))
    return 1 if failed else 0


def protocols():
    """The names of the protocols that were asked for, each once."""
    from wdsr_tf.metrics import PROTOCOLS

    names = list(PROTOCOLS) if FLAGS.protocol == ["all"] else list(dict.fromkeys(FLAGS.protocol))
    for name in names:
        if name not in PROTOCOLS:
            near = difflib.get_close_matches(name, PROTOCOLS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise InputError(f"there is no protocol {name!r}; {hint}known are {', '.join(PROTOCOLS)} and all")
    if not names:
        raise InputError(f"--protocol names none; known are {', '.join(PROTOCOLS)} and all")
    return names


def pairs(scale):
    """The full-size pairs to measure on, and where they came from."""
    from wdsr_tf.data import div2k

    if not (FLAGS.lr_dir or FLAGS.hr_dir):
        ids = FLAGS.validation_images and div2k.parse_ids(FLAGS.validation_images)
        found = div2k.pairs(FLAGS.dataset, "valid", scale, FLAGS.downgrade, ids)
        return found, {"dataset": FLAGS.dataset, "downgrade": FLAGS.downgrade}
    if not (FLAGS.lr_dir and FLAGS.hr_dir):
        raise InputError("--lr-dir and --hr-dir belong together; where LR and HR share a folder, name it in both")
    if FLAGS.validation_images:
        raise InputError("--validation-images chooses from a dataset; of --lr-dir and --hr-dir all pictures are used")
    return div2k.folder_pairs(FLAGS.lr_dir, FLAGS.hr_dir, scale), {"lr_dir": FLAGS.lr_dir, "hr_dir": FLAGS.hr_dir}


def watch(pairs):
    """Shows on stderr how far a network has got with `pairs`."""
    from tqdm import tqdm

    return lambda pictures, name: tqdm(pictures, desc=name, total=len(pairs), unit="image", leave=False)


def complain(line):
    print(line, file=sys.stderr, flush=True)


def listed(failed):
    return "".join(f"\n  {path}: {reason}" for path, reason in failed.items())


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
