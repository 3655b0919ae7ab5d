"""Every engine beside the same network with the same weights in PyTorch's eager mode.

python -m benchmarks.inference
python -m benchmarks.inference --startup
"""

import functools
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import app, flags

from benchmarks import timing
from wdsr_tf.commands import flags as cli

NETWORKS = {
    "wdsr-a-8": ("wdsr-a", {"num_res_blocks": 8, "weight_norm": True, "variant": "official"}),
    "edsr-8": ("edsr", {"num_res_blocks": 8}),
    "carn": ("carn", {}),
    "carn-m": ("carn-m", {}),
}
ENGINES = {  # contestant -> name and precision
    "keras": ("keras", "float32"),
    "onnx": ("onnx", "float32"),
    "openvino": ("openvino", "float32"),
    "openvino int8": ("openvino", "int8"),
}
BASE, CHANNELS_LAST, PRODUCT = "PyTorch", "PyTorch channels_last", "matrix product"
SIDE = 2048  # of the matrices

FLAGS = flags.FLAGS
flags.DEFINE_multi_enum("network", list(NETWORKS), list(NETWORKS), "Which networks, at x2.")
flags.DEFINE_multi_enum("engine", list(ENGINES), list(ENGINES), "Which engines.")
flags.DEFINE_multi_string("frame", ["256x256", "339x510"], "Height and width of the LR picture.")
flags.DEFINE_integer("rounds", 9, "Rounds that are counted, after two that are not.", lower_bound=1)
flags.DEFINE_bool("startup", False, "Measure the time to the first pixel instead.")


def main(_):
    if FLAGS.startup:
        startup()
        return
    timing.protocol(
        "x2, fresh weights, the same ones in PyTorch; bytes in NHWC go in, float32 in NHWC comes out, on "
        f"{os.cpu_count()} cores with each library's own choice of threads. All run in turn in one process; medians of "
        f"{FLAGS.rounds} rounds after two more, ratios paired by round. GFLOP/s: twice the multiply-adds of the "
        f"convolutions, and as a part of what PyTorch's product of two float32 matrices of {SIDE} x {SIDE} reached in "
        "the same rounds. Memory: the greatest resident size of a fresh process that runs one picture."
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in FLAGS.network:
            measure(name, Path(folder))


def measure(name, folder):
    """Prints one table per frame for the network `name`."""
    from benchmarks import twins
    from wdsr_tf.inference.engines import open_engine

    model, path = network(name, folder)
    module = twins.twin(model)
    contestants = {BASE: twins.runner(module), CHANNELS_LAST: twins.runner(twins.twin(model), channels_last=True)}
    twins.torch.save(module, path.with_suffix(".pt"))
    for contestant in FLAGS.engine:
        contestants[contestant] = open_engine(path, *ENGINES[contestant], allow_loss=True).run
    for height, width in _frames():
        lr = picture(height, width)
        check(contestants, lr[:, :32, :48])
        runs = {contestant: functools.partial(run, lr) for contestant, run in contestants.items()}
        runs[PRODUCT] = twins.matrix_product(SIDE)
        seconds = timing.interleaved(runs, FLAGS.rounds, warmup=2)
        memory = {contestant: measured_peak(path, contestant, height, width) for contestant in contestants}
        print(f"\n{name}, {height} x {width}\n")
        print_table(seconds, 2 * multiply_adds(model, height, width), memory)


def network(name, folder):
    """(model, path of its checkpoint) of the network `name` with fresh weights."""
    import keras

    from wdsr_tf import checkpoint
    from wdsr_tf.models import create_model

    keras.utils.set_random_seed(0)
    architecture, hyperparameters = NETWORKS[name]
    model = create_model(architecture, 2, **hyperparameters)
    checkpoint.save(model, folder / f"{name}.keras")
    if hyperparameters.get("weight_norm"):
        from wdsr_tf.models import fold

        model = fold(model)
    return model, folder / f"{name}.keras"


def picture(height, width):
    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype="uint8")


def check(contestants, lr):
    """Stops where two contestants do not compute the same; int8 may differ."""
    results = {name: run(lr) for name, run in contestants.items() if "int8" not in name}
    scale = np.ptp(results[BASE])
    for name, result in results.items():
        if np.abs(result - results[BASE]).max() > 1e-4 * scale:
            raise SystemExit(f"{name} does not compute what {BASE} does")


def multiply_adds(model, height, width):
    """Of all convolutions, for one picture."""
    import onnx

    from wdsr_tf.export.onnx import to_onnx

    network = to_onnx(model)
    dimensions = network.graph.input[0].type.tensor_type.shape.dim
    for dimension, value in zip(dimensions, (1, height, width, 3), strict=True):
        dimension.dim_value = value
    del network.graph.output[0].type.tensor_type.shape.dim[:]
    inferred = onnx.shape_inference.infer_shapes(network, data_prop=True).graph
    sizes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.value_info}
    kernels = {tensor.name: tensor.dims for tensor in inferred.initializer}
    convolutions = [node for node in inferred.node if node.op_type == "Conv"]
    return sum(np.prod(kernels[n.input[1]]) * np.prod(sizes[n.output[0]][2:]) for n in convolutions)


def print_table(seconds, operations, memory):
    """A Markdown table, one row per contestant."""
    product = statistics.median(seconds[PRODUCT])
    print(f"{operations / 1e9:.1f} GFLOP a picture; matrix product {2 * SIDE**3 / product / 1e9:.0f} GFLOP/s\n")
    print(f"| | seconds | times {BASE} (range) | times channels_last | GFLOP/s | of matrix product | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    base, channels_last = timing.ratios(seconds, BASE), timing.ratios(seconds, CHANNELS_LAST)
    rate = timing.ratios(seconds, PRODUCT)
    for name in memory:
        median, low, high = base[name]
        time = statistics.median(seconds[name])
        part = rate[name][0] * operations / (2 * SIDE**3)
        print(
            f"| {name} | {time:.3f} | {median:.2f} ({low:.2f}-{high:.2f}) | {channels_last[name][0]:.2f} "
            f"| {operations / time / 1e9:.0f} | {part:.0%} | {memory[name] / 2**20:.0f} MiB |",
            flush=True,
        )


def measured_peak(path, contestant, height, width):
    """Bytes that a fresh process takes at most which runs one picture."""
    return one_picture(path, contestant, height, width)[1]


def startup():
    """Prints the time from the start of a process to the end of its first picture."""
    timing.protocol(
        "Seconds from the start of a fresh Python to the end of its first picture of 64 x 64 pixels, x2, with the "
        f"conversion found beside the checkpoint: median (range) of {FLAGS.rounds} rounds in turn after two more."
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in FLAGS.network:
            _, path = network(name, Path(folder))
            runs = {engine: functools.partial(one_picture, path, engine, 64, 64) for engine in FLAGS.engine}
            seconds = timing.interleaved(runs, FLAGS.rounds, warmup=2)
            print(f"\n{name}\n\n| | seconds |\n| --- | --- |")
            for engine, times in seconds.items():
                print(f"| {engine} | {statistics.median(times):.2f} ({min(times):.2f}-{max(times):.2f}) |", flush=True)


def one_picture(path, contestant, height, width):
    """What `benchmarks.one_picture` prints: [seconds that the picture took, peak in bytes]."""
    kind = ENGINES.get(contestant, (contestant, "float32"))
    command = [sys.executable, "-m", "benchmarks.one_picture", str(path), *kind, str(height), str(width)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in out.split()[-2:]]


def _frames():
    return [tuple(map(int, frame.split("x"))) for frame in FLAGS.frame]


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
