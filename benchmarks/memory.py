"""Peak memory and time of a training step with and without --rematerialize.

python -m benchmarks.memory
"""

import os
import resource
import subprocess
import sys

import numpy as np
from absl import app, flags

from benchmarks import timing
from wdsr_tf.commands import flags as cli

NETWORKS = {  # name, hyperparameters, patches per step
    "drrn": ("drrn", {}, 2),
    "espcn-7": ("espcn-7", {}, 16),
    "espcn-7-gate": ("espcn-7", {"selection_unit": "gate"}, 16),
}
KINDS = ("stored", "recomputed")

FLAGS = flags.FLAGS
flags.DEFINE_multi_enum("network", list(NETWORKS), list(NETWORKS), "Which networks, with their defaults at x2.")
flags.DEFINE_integer("lr_patch_size", 48, "Side of a patch in LR pixels.")
flags.DEFINE_integer("rounds", 3, "Rounds of one step each whose time is counted, after one that is not.")
flags.DEFINE_enum("peak", None, KINDS, "Print the bytes of one peak and nothing else.")


def main(_):
    if FLAGS.peak:
        print(peak(FLAGS.network[0], FLAGS.peak))
        return
    timing.protocol(
        f"Patches of {FLAGS.lr_patch_size} x {FLAGS.lr_patch_size} LR, x2, L1, Adam, float32. Memory: by how much the "
        "first step of a fresh process raises its greatest resident size over that of a step on 8 x 8 pixels, glibc "
        "mapping every block past 256 KiB by itself. Time: steps in turn in one process, "
        f"median of {FLAGS.rounds} rounds after one more."
    )
    # All peaks first, while this process is small: Linux hands its greatest size on to those that it starts.
    peaks = {name: [measured(name, kind) for kind in KINDS] for name in FLAGS.network}
    print("\n| | patches | segments | stored | recomputed | memory | time (range) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, (stored, recomputed) in peaks.items():
        segments, (time, low, high) = timed(name)
        print(
            f"| {name} | {NETWORKS[name][2]} | {segments} | {stored / 2**20:,.0f} MiB | {recomputed / 2**20:,.0f} MiB "
            f"| times {recomputed / stored:.2f} | times {time:.2f} ({low:.2f}-{high:.2f}) |",
            flush=True,
        )


def measured(name, kind):
    """`peak` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.memory", f"--network={name}", f"--peak={kind}"]
    command.append(f"--lr_patch_size={FLAGS.lr_patch_size}")
    env = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**18)}
    return int(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.split()[-1])


def peak(name, kind):
    """Bytes by which one training step raises the greatest resident size of this process."""
    step, _ = trainer(name, kind)
    step(*batch(1, 8))
    before = resident()
    step(*batch(NETWORKS[name][2], FLAGS.lr_patch_size))
    return resident() - before


def resident():
    """The greatest resident size so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def timed(name):
    """The number of segments, and how many times as long a step takes that recomputes: median, lowest, highest."""
    steps, segments = zip(*(trainer(name, kind) for kind in KINDS), strict=True)
    patches = batch(NETWORKS[name][2], FLAGS.lr_patch_size)
    contestants = {kind: lambda step=step: step(*patches) for kind, step in zip(KINDS, steps, strict=True)}
    return segments[1], timing.ratios(timing.interleaved(contestants, FLAGS.rounds), base="recomputed")["stored"]


def batch(size, side):
    """Noise, as patches of LR and HR."""
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (size, length, length, 3), dtype="uint8") for length in (side, 2 * side)]


def trainer(name, kind):
    """A function that trains the network for one step on LR and HR, and the number of its segments."""
    from wdsr_tf.models import create_model
    from wdsr_tf.training import trainer
    from wdsr_tf.training.optimizers import create_optimizer
    from wdsr_tf.training.rematerialize import rematerialize

    architecture, hyperparameters, _ = NETWORKS[name]
    model = create_model(architecture, 2, **hyperparameters)
    segments = rematerialize(model) if kind == "recomputed" else 1
    trainer.compile_model(model, create_optimizer("adam", 1e-4), "mae")
    return model.train_on_batch, segments


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
