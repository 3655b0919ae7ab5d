"""Training on a GPU compared with PyTorch.

python -m benchmarks.gpu -o gpu.json
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.system.quiet import load_keras

NETWORKS = {
    "wdsr-a-16": ("wdsr-a", {"num_res_blocks": 16, "weight_norm": True, "variant": "official"}),
    "edsr-16": ("edsr", {"num_res_blocks": 16}),
    "carn": ("carn", {}),
}
BAR = 1.2  # times PyTorch eager
WARMUP = 2  # rounds


def define(flags):
    flags.list("networks", list(NETWORKS), "Networks to train, at x2.")
    flags.list("batch_sizes", ["16", "64"], "Patches per step.")
    flags.integer("lr_patch_size", 48, "Side of a patch in LR pixels.", minimum=1)
    flags.integer("rounds", 7, "Rounds that count, after two that don't.", minimum=1)
    flags.integer("steps", 200, "Steps of each contestant per round.", minimum=1)
    flags.string("output", None, "JSON file for the figures.", short="o")
    flags.switch("smoke", False, "Try the benchmark with tiny sizes on any processor; the figures mean nothing.")


def run(flags, _words):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leaves memory to PyTorch
    measuring.chosen(flags.networks, NETWORKS, "network")
    from benchmarks import pytorch

    load_keras()
    import jax
    import keras

    if keras.backend.backend() != "jax":
        raise InputError("This benchmark trains on JAX; unset KERAS_BACKEND.")
    if flags.smoke:
        flags.lr_patch_size, flags.rounds, flags.steps, flags.batch_sizes = 8, 1, 1, ["2"]
        pytorch.torch.set_num_threads(1)
    elif jax.default_backend() != "gpu" or not pytorch.torch.cuda.is_available():
        raise InputError("JAX and PyTorch don't both find a GPU; --smoke tries this benchmark without one.")
    keras.config.set_dtype_policy("mixed_float16")
    side, device = flags.lr_patch_size, jax.devices()[0].device_kind
    measuring.protocol(
        f"{device}. Patches of {side} x {side} LR, x2, L1, Adam; {flags.steps} steps of each contestant per round, in "
        f"turn, median of {flags.rounds} rounds after {WARMUP} more. 'Of matrix rate' counts 6 floating-point "
        "operations for each multiply-add of the network: forward, and twice as many backward."
    )
    rate = matrix_rate(256 if flags.smoke else 8192)
    print(f"float16 matrix product: {rate / 1e12:.1f} TFLOP/s\n")
    measuring.print_header(*TITLES)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        pairs = training_pairs(Path(folder), flags.smoke)
        for name in flags.networks:
            for batch_size in map(int, flags.batch_sizes):
                results.append(measure(name, batch_size, pairs, rate, flags))
                print_result(results[-1])
    worst = min(result["times_eager"][0] for result in results)
    print(f"\nbar: {BAR} times PyTorch eager; the lowest is {worst:.2f}: {'met' if worst >= BAR else 'missed'}")
    if flags.output:
        figures = {"device": device, "matrix_flops": rate, "smoke": flags.smoke, "rows": results}
        with atomic(flags.output) as temporary:
            temporary.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


TITLES = (
    "network",
    "batch",
    "ours, steps/s",
    "PyTorch eager",
    "compiled",
    "times eager (range)",
    "times compiled",
    "GPU busy: ours, eager, compiled",
    "of matrix rate",
)


def print_result(result):
    """Prints the table row of what `measure` returned."""
    measuring.print_row(
        result["network"],
        result["batch_size"],
        *(f"{rate:.1f}" for rate in result["steps_per_second"].values()),
        measuring.span(*result["times_eager"]),
        f"{result['times_compiled'][0]:.2f}",
        ", ".join("?" if percent is None else f"{percent:.0f} %" for percent in result["busy"].values()),
        f"{result['of_matrix_rate']:.0%}",
    )


def measure(name, batch_size, pairs, rate, flags):
    """Returns the figures of a network at a batch size; ratios are (median, lowest, highest)."""
    import numpy as np

    from benchmarks import pytorch
    from wdsr_tf.data.sampler import Sampler
    from wdsr_tf.data.sources import Pairs
    from wdsr_tf.models import create_model
    from wdsr_tf.models.multiply_adds import multiply_adds

    architecture, hyperparameters = NETWORKS[name]
    model = create_model(architecture, 2, **hyperparameters)
    sampler = Sampler(Pairs(pairs, 2, flags.lr_patch_size), batch_size)
    batch = [np.ascontiguousarray(x) for x in sampler.batch(0)]
    eager, compiled = pytorch.twin_to_train(model), pytorch.twin_to_train(model)
    compiled = pytorch.torch.compile(compiled, backend="eager" if flags.smoke else "inductor")  # eager: no compiler
    contestants = {
        "ours": trainer(model, sampler, flags.steps),
        "eager": pytorch.half_precision_trainer(eager, *batch, flags.steps),
        "compiled": pytorch.half_precision_trainer(compiled, *batch, flags.steps),
    }
    with GpuMonitor() as monitor:
        watched = {who: monitor.watched(who, contestant) for who, contestant in contestants.items()}
        seconds = measuring.interleaved(watched, flags.rounds, WARMUP)
    flops = 6 * multiply_adds(model) * batch_size * flags.lr_patch_size**2
    steps = {who: flags.steps / statistics.median(times) for who, times in seconds.items()}
    return {
        "network": name,
        "batch_size": batch_size,
        "steps_per_second": steps,
        "times_eager": measuring.ratios(seconds, "eager")["ours"],
        "times_compiled": measuring.ratios(seconds, "compiled")["ours"],
        "busy": monitor.utilization(contestants),
        "of_matrix_rate": flops * steps["ours"] / rate,
    }


def trainer(model, sampler, steps):
    """Returns a function that trains `model` for `steps` steps as `train.py --device-resident` does."""
    from wdsr_tf.data import feed
    from wdsr_tf.training import resident
    from wdsr_tf.training.optimizers import create_optimizer
    from wdsr_tf.training.trainer import compile_model

    compile_model(model, create_optimizer("adam", 1e-4), "mae")
    batches = feed.endless(resident.train_from(model, sampler))
    return lambda: model.fit(batches, steps_per_epoch=steps, verbose=0, shuffle=False)


def matrix_rate(size):
    """Floating-point operations per second of a product of two float16 matrices."""
    import jax
    import jax.numpy as jnp

    a, b = (jax.random.normal(jax.random.key(i), (size, size), jnp.float16) for i in range(2))
    product = jax.jit(jnp.matmul)
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        product(a, b).block_until_ready()
        seconds.append(time.perf_counter() - started)
    return 2 * size**3 / min(seconds)


def training_pairs(folder, smoke):
    from benchmarks.drawn import draw_pairs

    return draw_pairs(folder, 4 if smoke else 64, 512, 640, 2)


class GpuMonitor:
    """Samples how busy the GPU is while functions run, with nvidia-smi if there is one."""

    COMMAND = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "100")

    def __enter__(self):
        self.samples, self.spans, self.process = [], [], None
        try:
            self.process = subprocess.Popen(self.COMMAND, stdout=subprocess.PIPE, text=True)
        except OSError:
            return self
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(self, *error):
        if self.process:
            self.process.terminate()
            self.process.wait()

    def _read(self):
        for line in self.process.stdout:
            if line.strip().isdigit():
                self.samples.append((time.perf_counter(), int(line)))

    def watched(self, who, function):
        """Returns `function` with a record of when it ran."""

        def recorded():
            started = time.perf_counter()
            function()
            self.spans.append((who, started, time.perf_counter()))

        return recorded

    def utilization(self, names):
        """`{name: mean utilization in percent while it ran, or None}`, without the rounds of warm-up."""
        found = {}
        for name in names:
            spans = [(start, stop) for who, start, stop in self.spans if who == name][WARMUP:]
            seen = [value for at, value in self.samples if any(start < at < stop for start, stop in spans)]
            found[name] = statistics.mean(seen) if seen else None
        return found


COMMAND = Command(
    "gpu",
    "Compares training on a GPU with PyTorch.",
    define,
    run,
    description=(
        "Prints the steps per second of this project (Keras on JAX, mixed_float16, images in device memory) and of the "
        "same network in PyTorch (AMP, channels_last, eager and compiled, one batch in device memory), how busy the "
        "GPU was, and which part of the rate of a large matrix product the convolutions got. Needs JAX and PyTorch for "
        "CUDA."
    ),
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.gpu"))
