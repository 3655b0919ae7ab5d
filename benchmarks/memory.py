"""Peak memory and time of a training step with and without --rematerialize: python -m benchmarks.memory"""

import os
import subprocess
import sys

from benchmarks import measuring
from wdsr_tf.commands.command import Command

NETWORKS = {  # name, hyperparameters, patches per step
    "drrn": ("drrn", {}, 2),
    "espcn-7": ("espcn-7", {}, 16),
    "espcn-7-gate": ("espcn-7", {"selection_unit": "gate"}, 16),
}
KINDS = ("stored", "recomputed")


def define(flags):
    flags.list("networks", list(NETWORKS), "Networks to train, with their defaults, at x2.")
    flags.integer("lr_patch_size", 48, "Side of a patch in LR pixels.", minimum=1)
    flags.integer("rounds", 3, "Rounds of one step each that are timed, after one that isn't.", minimum=1)
    flags.choice("peak", None, KINDS, "Print the bytes of one peak and nothing else.")


def run(flags, _words):
    measuring.chosen(flags.networks, NETWORKS, "network")
    if flags.peak:
        print(peak(flags.networks[0], flags.peak, flags.lr_patch_size))
        return
    measuring.protocol(
        f"Patches of {flags.lr_patch_size} x {flags.lr_patch_size} LR, x2, L1, Adam, float32. Memory: how much the "
        "first step of a fresh process raises its greatest resident size above that of a step on 8 x 8 pixels, with "
        "glibc mapping each block of 256 KiB or more on its own. Time: steps in turn in one process, median of "
        f"{flags.rounds} rounds after one more."
    )
    print()
    measuring.print_header("", "patches", "segments", "stored", "recomputed", "memory", "time (range)")
    for name in flags.networks:
        stored, recomputed = (measured(name, kind, flags.lr_patch_size) for kind in KINDS)
        segments, ratio = timed(name, flags.lr_patch_size, flags.rounds)
        measuring.print_row(
            name,
            NETWORKS[name][2],
            segments,
            f"{stored / 2**20:,.0f} MiB",
            f"{recomputed / 2**20:,.0f} MiB",
            f"times {recomputed / stored:.2f}",
            f"times {measuring.span(*ratio)}",
        )


def measured(name, kind, lr_patch_size):
    """`peak` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", f"--networks={name}", f"--peak={kind}"]
    command.append(f"--lr-patch-size={lr_patch_size}")
    env = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**18)}
    return int(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def peak(name, kind, lr_patch_size):
    """Bytes by which one training step raises the greatest resident size of this process."""
    step, _ = trainer(name, kind)
    step(*batch(1, 8))
    before = measuring.peak_memory()
    step(*batch(NETWORKS[name][2], lr_patch_size))
    return measuring.peak_memory() - before


def timed(name, lr_patch_size, rounds):
    """(number of segments, (median, lowest, highest) of the time of a recomputing step over that of a storing one)."""
    steps, segments = zip(*(trainer(name, kind) for kind in KINDS), strict=True)
    patches = batch(NETWORKS[name][2], lr_patch_size)
    contestants = {kind: lambda step=step: step(*patches) for kind, step in zip(KINDS, steps, strict=True)}
    return segments[1], measuring.ratios(measuring.interleaved(contestants, rounds), base="recomputed")["stored"]


def batch(size, side):
    """Noise, as patches of LR and HR."""
    import numpy as np

    random = np.random.default_rng(0)
    return [random.integers(0, 256, (size, length, length, 3), dtype="uint8") for length in (side, 2 * side)]


def trainer(name, kind):
    """(function that trains the network for one step on LR and HR, number of its segments)."""
    from wdsr_tf.models import create_model
    from wdsr_tf.training.optimizers import create_optimizer
    from wdsr_tf.training.rematerialize import rematerialize
    from wdsr_tf.training.trainer import compile_model

    architecture, hyperparameters, _ = NETWORKS[name]
    model = create_model(architecture, 2, **hyperparameters)
    segments = rematerialize(model) if kind == "recomputed" else 1
    compile_model(model, create_optimizer("adam", 1e-4), "mae")
    return model.train_on_batch, segments


COMMAND = Command("memory", "Measures what --rematerialize saves in memory and costs in time.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.memory"))
