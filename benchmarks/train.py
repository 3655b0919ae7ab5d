"""Training steps per second compared with the same network, optimizer and batch in PyTorch.

python -m benchmarks.train --networks wdsr-a-8 --rounds 9
"""

import os
import sys

from benchmarks import measuring
from wdsr_tf.commands.command import Command

NETWORKS = ("wdsr-a-8", "wdsr-a-16", "edsr-16")


def define(flags):
    flags.list("networks", ["wdsr-a-8", "edsr-16"], "Networks to train, at x2.")
    flags.integer("rounds", 9, "Rounds that count, after one that doesn't.", minimum=1)
    flags.integer("steps", 3, "Steps of each contestant per round.", minimum=1)
    flags.integer("batch_size", 16, "Patches of 48 x 48 LR pixels per step.", minimum=1)
    flags.integer("threads", 2, "Threads of PyTorch, and of TensorFlow.", minimum=1)


def run(flags, _words):
    measuring.chosen(flags.networks, NETWORKS, "network")
    from benchmarks import pytorch

    pytorch.torch.set_num_threads(flags.threads)
    for kind in ("INTRAOP", "INTEROP"):  # read when TensorFlow runs its first operation
        os.environ[f"TF_NUM_{kind}_THREADS"] = str(flags.threads)
    import numpy as np

    random = np.random.default_rng(0)
    lr = random.integers(0, 256, (flags.batch_size, 48, 48, 3), dtype="uint8")
    hr = random.integers(0, 256, (flags.batch_size, 96, 96, 3), dtype="uint8")
    measuring.protocol(
        f"Batch {flags.batch_size} of 48 x 48 LR, x2, L1, Adam, float32, zero padding, {flags.threads} threads; "
        f"{flags.steps} steps of each contestant per round, in turn, median of {flags.rounds} rounds after one more."
    )
    for name in flags.networks:
        model = make_network(name)
        default, channels_last = pytorch.twin_to_train(model), pytorch.twin_to_train(model)
        steps = {
            "wdsr_tf": lambda model=model: model.train_on_batch(lr, hr),
            "PyTorch": pytorch.trainer(default, lr, hr),
            "PyTorch channels_last": pytorch.trainer(channels_last, lr, hr, channels_last=True),
        }
        contestants = {who: lambda step=step: [step() for _ in range(flags.steps)] for who, step in steps.items()}
        print(f"\n{name}\n")
        measuring.print_rates(measuring.interleaved(contestants, flags.rounds), "PyTorch", flags.steps, "steps")


def make_network(name):
    """The network with fresh weights, compiled as `train.py` compiles it."""
    from wdsr_tf.models import create_model
    from wdsr_tf.training.optimizers import create_optimizer
    from wdsr_tf.training.trainer import compile_model

    architecture, blocks = name.rsplit("-", 1)
    wdsr = {"weight_norm": True, "variant": "official"} if architecture == "wdsr-a" else {}
    model = create_model(architecture, 2, num_res_blocks=int(blocks), **wdsr)
    compile_model(model, create_optimizer("adam", 1e-3), "mae")
    return model


COMMAND = Command("train", "Compares training steps per second with PyTorch.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.train"))
