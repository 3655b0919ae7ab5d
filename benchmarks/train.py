"""Training steps per second beside the same network, optimizer and batch in PyTorch.

python -m benchmarks.train --network wdsr-a-8 --rounds 9
"""

import os

import numpy as np
from absl import app, flags

from benchmarks import timing
from wdsr_tf.commands import flags as cli

FLAGS = flags.FLAGS
flags.DEFINE_multi_enum("network", ["wdsr-a-8", "edsr-16"], ["wdsr-a-8", "wdsr-a-16", "edsr-16"], "Which networks.")
flags.DEFINE_integer("rounds", 9, "Rounds that are counted, after one that is not.", lower_bound=1)
flags.DEFINE_integer("steps", 3, "Steps of each contestant per round.", lower_bound=1)
flags.DEFINE_integer("batch_size", 16, "Patches of 48 x 48 LR per step, x2.", lower_bound=1)
flags.DEFINE_integer("threads", 2, "Threads of PyTorch, and of TensorFlow.", lower_bound=1)


def main(_):
    from benchmarks import peers  # says so where PyTorch is missing

    peers.torch.set_num_threads(FLAGS.threads)
    for kind in ("INTRAOP", "INTEROP"):  # read when TensorFlow runs its first operation
        os.environ[f"TF_NUM_{kind}_THREADS"] = str(FLAGS.threads)
    random = np.random.default_rng(0)
    lr = random.integers(0, 256, (FLAGS.batch_size, 48, 48, 3), dtype="uint8")
    hr = random.integers(0, 256, (FLAGS.batch_size, 96, 96, 3), dtype="uint8")
    timing.protocol(
        f"Batch {FLAGS.batch_size} of 48 x 48 LR, x2, L1, Adam, float32, zero padding, {FLAGS.threads} threads; "
        f"{FLAGS.steps} steps of each per round, in turn, median of {FLAGS.rounds} rounds after one more."
    )
    for name in FLAGS.network:
        kind, blocks = name.rsplit("-", 1)
        build = peers.WDSR if kind == "wdsr-a" else peers.EDSR
        default = peers.trainer(build(2, int(blocks)), lr, hr)
        channels_last = peers.trainer(build(2, int(blocks)), lr, hr, channels_last=True)
        contestants = {
            "wdsr_tf": ours(kind, int(blocks), lr, hr),
            "PyTorch": lambda step=default: [step() for _ in range(FLAGS.steps)],
            "PyTorch channels_last": lambda step=channels_last: [step() for _ in range(FLAGS.steps)],
        }
        print(f"\n{name}\n")
        timing.print_table(timing.interleaved(contestants, FLAGS.rounds), "PyTorch", FLAGS.steps, "steps")


def ours(kind, blocks, lr, hr):
    """A function that trains our network for FLAGS.steps steps, compiled as `train.py` does."""
    from wdsr_tf.models import create_model
    from wdsr_tf.training import trainer
    from wdsr_tf.training.optimizers import create_optimizer

    weight_norm = kind == "wdsr-a"
    model = create_model(kind, 2, num_res_blocks=blocks, weight_norm=weight_norm, variant="official")
    trainer.compile_model(model, create_optimizer("adam", 1e-3), "mae")
    return lambda: [model.train_on_batch(lr, hr) for _ in range(FLAGS.steps)]


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
