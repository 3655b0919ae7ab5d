"""Every engine compared with the same network, with the same weights, in PyTorch's eager mode.

python -m benchmarks.inference
python -m benchmarks.inference --startup
"""

import functools
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

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


def define(flags):
    flags.list("networks", list(NETWORKS), "Networks to run, at x2.")
    flags.list("engines", list(ENGINES), "Engines to compare.")
    flags.list("frames", ["256x256", "339x510"], "Sizes of the LR image in pixels, HEIGHTxWIDTH.")
    flags.integer("rounds", 9, "Rounds that count, after two that don't.", minimum=1)
    flags.switch("startup", False, "Measure the time to the first pixel instead.")


def run(flags, _words):
    measuring.chosen(flags.networks, NETWORKS, "network")
    measuring.chosen(flags.engines, ENGINES, "engine")
    if flags.startup:
        startup(flags)
        return
    sizes = [frame_size(frame) for frame in flags.frames]
    measuring.protocol(
        "x2, fresh weights, the same ones in PyTorch; uint8 NHWC in, float32 NHWC out, with each library's own choice "
        f"of threads. All contestants run in turn in one process: medians of {flags.rounds} rounds after two more, "
        "ratios paired by round. GFLOP/s: twice the multiply-adds of the convolutions, also relative to PyTorch's "
        f"product of two float32 matrices of {SIDE} x {SIDE} in the same rounds. Memory: the greatest resident size of "
        "a fresh process that runs one image."
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in flags.networks:
            measure(name, Path(folder), flags.engines, sizes, flags.rounds)


def frame_size(frame):
    """`"339x510"` -> (339, 510)."""
    height, _, width = frame.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InputError(f"--frames takes sizes such as 339x510, not {frame!r}.")
    return int(height), int(width)


def measure(name, folder, engines, sizes, rounds):
    """Prints one table per size for the network `name`."""
    from benchmarks import pytorch
    from wdsr_tf.inference.engines import open_engine
    from wdsr_tf.models.multiply_adds import multiply_adds

    model, path = make_network(name, folder)
    module = pytorch.twin(model)
    contestants = {
        BASE: pytorch.runner(module),
        CHANNELS_LAST: pytorch.runner(pytorch.twin(model), channels_last=True),
    }
    pytorch.torch.save(module, path.with_suffix(".pt"))
    for engine in engines:
        contestants[engine] = open_engine(path, *ENGINES[engine], allow_loss=True).run
    for height, width in sizes:
        lr = noise(height, width)
        check(contestants, lr[:, :32, :48])
        runs = {contestant: functools.partial(upscale, lr) for contestant, upscale in contestants.items()}
        runs[PRODUCT] = pytorch.matrix_product(SIDE)
        seconds = measuring.interleaved(runs, rounds, warmup=2)
        memory = {contestant: run_alone(path, contestant, height, width)[1] for contestant in contestants}
        print(f"\n{name}, {height} x {width}\n")
        print_table(seconds, 2 * multiply_adds(model) * height * width, memory)


def make_network(name, folder):
    """(model without weight normalization, path of its checkpoint) of the network `name` with fresh weights."""
    import keras

    from wdsr_tf import checkpoint
    from wdsr_tf.models import create_model, fold

    keras.utils.set_random_seed(0)
    architecture, hyperparameters = NETWORKS[name]
    model = create_model(architecture, 2, **hyperparameters)
    checkpoint.save(model, folder / f"{name}.keras")
    return fold(model) if hyperparameters.get("weight_norm") else model, folder / f"{name}.keras"


def noise(height, width):
    """An NHWC batch of one uint8 image."""
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype="uint8")


def check(contestants, lr):
    """Raises if two contestants compute different results; int8 may differ."""
    import numpy as np

    results = {name: upscale(lr) for name, upscale in contestants.items() if "int8" not in name}
    scale = np.ptp(results[BASE])
    for name, result in results.items():
        if np.abs(result - results[BASE]).max() > 1e-4 * scale:
            raise InputError(f"{name} and {BASE} compute different results.")


def print_table(seconds, operations, memory):
    """Prints a row per contestant; `operations` are those of one image."""
    product = statistics.median(seconds[PRODUCT])
    print(f"{operations / 1e9:.1f} GFLOP per image; matrix product {2 * SIDE**3 / product / 1e9:.0f} GFLOP/s\n")
    columns = ("seconds", f"times {BASE} (range)", "times channels_last", "GFLOP/s", "of matrix product", "memory")
    measuring.print_header("", *columns)
    base, channels_last = measuring.ratios(seconds, BASE), measuring.ratios(seconds, CHANNELS_LAST)
    rate = measuring.ratios(seconds, PRODUCT)
    for name in memory:
        time = statistics.median(seconds[name])
        measuring.print_row(
            name,
            f"{time:.3f}",
            measuring.span(*base[name]),
            f"{channels_last[name][0]:.2f}",
            f"{operations / time / 1e9:.0f}",
            f"{rate[name][0] * operations / (2 * SIDE**3):.0%}",
            f"{memory[name] / 2**20:.0f} MiB",
        )


def startup(flags):
    """Prints the time from the start of a process to the end of its first image."""
    measuring.protocol(
        "Seconds from the start of a fresh Python process to the end of its first image of 64 x 64 pixels, x2, with "
        f"the converted model in the cache: median (range) of {flags.rounds} rounds in turn after two more."
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in flags.networks:
            _, path = make_network(name, Path(folder))
            runs = {engine: functools.partial(run_alone, path, engine, 64, 64) for engine in flags.engines}
            print(f"\n{name}\n")
            measuring.print_header("", "seconds")
            for engine, times in measuring.interleaved(runs, flags.rounds, warmup=2).items():
                measuring.print_row(engine, measuring.span(statistics.median(times), min(times), max(times)))


def run_alone(path, contestant, height, width):
    """[seconds, peak memory in bytes] of one image in a fresh process."""
    kind = ENGINES.get(contestant, (contestant, "float32"))
    command = [sys.executable, "-m", "benchmarks.one_image", str(path), *kind, str(height), str(width)]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in out.split()[-2:]]


COMMAND = Command(
    "inference",
    "Compares the engines with PyTorch: speed, memory, and with --startup the time to the first pixel.",
    define,
    run,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.inference"))
