"""Training on a GPU beside PyTorch: python -m benchmarks.gpu -o gpu.json

Steps per second of this project's training (Keras on JAX, mixed_float16, pictures in device memory) and of the same
network in PyTorch (AMP, channels_last, eager and compiled, always the same batch, in device memory), in turn in one
run; how busy the GPU was meanwhile, as nvidia-smi tells it; and what part of the rate of a large matrix product, taken
in the same run, the convolutions reach. It needs JAX and PyTorch for CUDA, and no TensorFlow. `--smoke` tries the whole
of it, tiny, on any processor.
"""

import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from absl import app, flags

from benchmarks import timing
from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

FLAGS = flags.FLAGS
NETWORKS = {
    "wdsr-a-16": ("wdsr-a", {"num_res_blocks": 16, "weight_norm": True, "variant": "official"}),
    "edsr-16": ("edsr", {"num_res_blocks": 16}),
    "carn": ("carn", {}),
}
BAR = 1.2  # times PyTorch eager

flags.DEFINE_multi_enum("network", list(NETWORKS), list(NETWORKS), "Which networks, at x2.")
flags.DEFINE_list("batch_sizes", ["16", "64"], "Patches a step.")
flags.DEFINE_integer("lr_patch_size", 48, "Side of a patch, in LR pixels.", lower_bound=1)
flags.DEFINE_integer("rounds", 7, "Rounds that are counted, after two that are not.", lower_bound=1)
flags.DEFINE_integer("steps", 200, "Steps of each contestant per round.", lower_bound=1)
flags.DEFINE_string("output", None, "JSON file for the figures.", short_name="o")
flags.DEFINE_bool("smoke", False, "Tiny, on any processor: the figures mean nothing.")


def main(_):
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs some of the memory, too
    cli.load_keras()
    import jax
    import keras

    from benchmarks import peers  # says so where PyTorch is missing

    if keras.backend.backend() != "jax":
        raise InputError("this benchmark trains on JAX: leave KERAS_BACKEND out")
    if FLAGS.smoke:
        FLAGS.lr_patch_size, FLAGS.rounds, FLAGS.steps, FLAGS.batch_sizes = 8, 1, 1, ["2"]
        peers.torch.set_num_threads(1)
    elif jax.default_backend() != "gpu" or not peers.torch.cuda.is_available():
        raise InputError("JAX and PyTorch do not both see a GPU here; --smoke tries this benchmark without one")
    keras.config.set_dtype_policy("mixed_float16")
    side = FLAGS.lr_patch_size
    timing.protocol(
        f"{jax.devices()[0].device_kind}. Patches of {side} x {side} LR, x2, L1, Adam; {FLAGS.steps} steps of each per "
        f"round, in turn, median of {FLAGS.rounds} rounds after two more. 'Of matrix rate' counts 6 floating-point "
        "operations for each multiply-add of the network: forward, and twice as many backward."
    )
    rate = matrix_rate(256 if FLAGS.smoke else 8192)
    print(f"float16 matrix product: {rate / 1e12:.1f} TFLOP/s\n\n| {' | '.join(Row.TITLES)} |")
    print("| " + " | ".join("---" for _ in Row.TITLES) + " |")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        pairs = pictures(Path(folder))
        for name in FLAGS.network:
            for batch_size in map(int, FLAGS.batch_sizes):
                rows.append(measure(name, batch_size, pairs, rate))
                print(rows[-1].line, flush=True)
    worst = min(row.figures["times_eager"] for row in rows)
    print(f"\nbar: {BAR} times PyTorch eager; the least is {worst:.2f}: {'met' if worst >= BAR else 'missed'}")
    if FLAGS.output:
        with atomic(FLAGS.output) as temporary:
            figures = {"device": jax.devices()[0].device_kind, "matrix_flops": rate, "smoke": FLAGS.smoke}
            figures["rows"] = [row.figures for row in rows]
            temporary.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


class Row:
    """What was measured of one network at one batch size."""

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

    def __init__(self, name, batch_size, seconds, busy, flops, rate):
        steps = {who: FLAGS.steps / statistics.median(times) for who, times in seconds.items()}
        times = {who: timing.ratios(seconds, who)["ours"] for who in ("eager", "compiled")}
        self.figures = {
            "network": name,
            "batch_size": batch_size,
            "steps_per_second": steps,
            "times_eager": times["eager"][0],
            "times_eager_range": times["eager"][1:],
            "times_compiled": times["compiled"][0],
            "busy": busy,
            "of_matrix_rate": flops * steps["ours"] / rate,
        }
        cells = [name, batch_size, *(f"{steps[who]:.1f}" for who in ("ours", "eager", "compiled"))]
        cells += ["{:.2f} ({:.2f}-{:.2f})".format(*times["eager"]), f"{times['compiled'][0]:.2f}"]
        cells += [", ".join("?" if part is None else f"{part:.0f} %" for part in busy.values())]
        cells += [f"{self.figures['of_matrix_rate']:.0%}"]
        self.line = f"| {' | '.join(map(str, cells))} |"


def measure(name, batch_size, pairs, rate):
    """The `Row` of a network at a batch size."""
    import numpy as np

    from benchmarks import peers
    from wdsr_tf.data.sampler import Sampler
    from wdsr_tf.data.sources import Pairs
    from wdsr_tf.models import create_model
    from wdsr_tf.models.multiply_adds import multiply_adds

    kind, hyperparameters = NETWORKS[name]
    model = create_model(kind, 2, **hyperparameters)
    sampler = Sampler(Pairs(pairs, 2, FLAGS.lr_patch_size), batch_size)
    batch = [np.ascontiguousarray(x) for x in sampler.batch(0)]
    backend = "eager" if FLAGS.smoke else "inductor"  # the former needs no compiler
    contestants = {
        "ours": ours(model, sampler),
        "eager": theirs(peer(name, model), *batch),
        "compiled": theirs(peers.torch.compile(peer(name, model), backend=backend), *batch),
    }
    with Busy() as busy:
        watched = {who: busy.watched(who, run) for who, run in contestants.items()}
        seconds = timing.interleaved(watched, FLAGS.rounds, warmup=2)
    flops = 6 * multiply_adds(model) * batch_size * FLAGS.lr_patch_size**2
    return Row(name, batch_size, seconds, busy.parts(contestants), flops, rate)


def ours(model, sampler):
    """A function that trains `model` as `train.py --device-resident` does."""
    from wdsr_tf.data import feed
    from wdsr_tf.training import resident, trainer
    from wdsr_tf.training.optimizers import create_optimizer

    trainer.compile_model(model, create_optimizer("adam", 1e-4), "mae")
    batches = feed.endless(resident.train_from(model, sampler))
    return lambda: model.fit(batches, steps_per_epoch=FLAGS.steps, verbose=0, shuffle=False)


def peer(name, model):
    """The network in PyTorch, as its authors wrote it."""
    from benchmarks import peers, twins

    if name == "carn":
        return twins.twin(model).train()
    blocks = NETWORKS[name][1]["num_res_blocks"]
    return peers.WDSR(2, blocks) if name.startswith("wdsr") else peers.EDSR(2, blocks)


def theirs(module, lr, hr):
    """A function that trains `module` with automatic mixed precision and channels_last, always on the same batch."""
    from benchmarks.peers import nn, torch

    device, half = ("cuda", torch.float16) if torch.cuda.is_available() else ("cpu", torch.bfloat16)
    torch.backends.cudnn.benchmark = True
    module = module.to(device, memory_format=torch.channels_last)
    adam = torch.optim.Adam(module.parameters(), 1e-4)
    scaler = torch.amp.GradScaler(device, enabled=device == "cuda")
    lr, hr = (
        torch.from_numpy(x).to(device).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        for x in (lr, hr)
    )

    def step():
        adam.zero_grad(set_to_none=True)
        with torch.autocast(device, half):
            loss = nn.functional.l1_loss(module(lr.float()), hr.float())
        scaler.scale(loss).backward()
        scaler.step(adam)
        scaler.update()

    def run():
        for _ in range(FLAGS.steps):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


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


def pictures(folder):
    """Pairs of drawn pictures; what they show makes no difference to speed."""
    import numpy as np

    from benchmarks.pictures import draw
    from wdsr_tf.data.div2k import Pair

    pairs = []
    for i, hr in enumerate(draw(4 if FLAGS.smoke else 64, 512, 640)):
        pairs.append(Pair(f"{i:04d}", folder / f"{i:04d}x2.npy", folder / f"{i:04d}.npy"))
        np.save(pairs[-1].lr, hr[::2, ::2])
        np.save(pairs[-1].hr, hr)
    return pairs


class Busy:
    """How busy the GPU is while functions run: samples of nvidia-smi, where there is one."""

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

    def watched(self, who, run):
        """`run`, noting when it ran."""

        def noted():
            started = time.perf_counter()
            run()
            self.spans.append((who, started, time.perf_counter()))

        return noted

    def parts(self, names):
        """{name: mean utilisation in percent while it ran, or None}; the two rounds of warm-up do not count."""
        found = {}
        for name in names:
            spans = [(start, stop) for who, start, stop in self.spans if who == name][2:]
            seen = [value for at, value in self.samples if any(start < at < stop for start, stop in spans)]
            found[name] = statistics.mean(seen) if seen else None
        return found


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
