"""What a teacher and convolutions trained as branches give wdsr-a-8 at x2 after equally many steps.

    python convert.py -i PHOTOS -o PAIRS pairs --scale 2
    python -m benchmarks.equal_steps PAIRS Set5 --steps 700 --teacher wdsr_a_8_e6_x2.npz

All contestants train the same patches in the same order; those with branches have no weight normalization.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError
from wdsr_tf.system.quiet import load_keras

PLAIN, NORMALIZED, TAUGHT = "plain", "weight normalization", "weight normalization and a teacher"
BRANCHES = ("ecb", "sesr", "span")
SETTINGS = {
    "model": "wdsr-a",
    "scale": 2,
    "num_filters": 32,
    "num_res_blocks": 8,
    "weight_norm": False,
    "epochs": 1,
    "schedule": "cosine",
    "warmup_steps": 100,
    "validation_steps": 10,
    "precision": "float32",
}


def define(flags):
    flags.list("contestants", [NORMALIZED, TAUGHT, PLAIN, *BRANCHES], "Ways to train.")
    flags.integer("steps", 700, "Steps of each.", minimum=1)
    flags.integer("batch_size", 8, "Patches per step.", minimum=1)
    flags.integer("lr_patch_size", 24, "Side of a patch in LR pixels.", minimum=1)
    flags.integer("seed", 0, "Seed of weights and patches.", minimum=0)
    flags.string("teacher", None, "Weights of the teacher, which gets half of the loss.")


def run(flags, words):
    if len(words) != 2:
        raise InputError("Name the dataset to train on and the benchmark to measure on, such as Set5's folder.")
    ways = {NORMALIZED: {"weight_norm": True}, PLAIN: {}}
    ways |= {name: {"hyperparameters": {"reparameterize": name}} for name in BRANCHES}
    if flags.teacher:
        ways[TAUGHT] = {"weight_norm": True, "teacher": flags.teacher}
    chosen = [name for name in flags.contestants if flags.teacher or name != TAUGHT]
    measuring.chosen(chosen, ways, "contestant")
    load_keras()
    measuring.protocol(
        f"wdsr-a-8 x2, {flags.steps} steps of {flags.batch_size} patches of {flags.lr_patch_size} x "
        f"{flags.lr_patch_size}, L1, Adam, rate 1e-3 with 100 steps of warm-up and a cosine, float32, seed "
        f"{flags.seed}; PSNR in the protocol krasserm (RGB, no border)."
    )
    print()
    measuring.print_header("trained with", "PSNR", "SSIM")
    for name in chosen:
        psnr, ssim, _ = measure(SETTINGS | ways[name], flags, *words).mean("krasserm")
        measuring.print_row(name, f"{psnr:.2f}", f"{ssim:.4f}")


def measure(settings, flags, dataset, benchmark):
    """The `measure.Row` of a network that's trained with `settings`."""
    import wdsr_tf

    with tempfile.TemporaryDirectory() as folder:
        config = wdsr_tf.TrainingConfig(
            **settings,
            dataset=dataset,
            outdir=Path(folder),
            steps_per_epoch=flags.steps,
            batch_size=flags.batch_size,
            lr_patch_size=flags.lr_patch_size,
            seed=flags.seed,
        )
        trained = wdsr_tf.train(config, log=None)
        return wdsr_tf.evaluate(trained.best, benchmark=benchmark).rows[0]


COMMAND = Command(
    "equal_steps", "Compares ways to train wdsr-a-8 after equally many steps.", define, run, "DATASET BENCHMARK"
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.equal_steps"))
