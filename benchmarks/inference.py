"""Every engine compared with the same network, with the same weights, in PyTorch.

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
    "srvgg": ("srvgg", {}),
    "rrdbnet": ("rrdbnet", {}),
}
DEFAULT = ("wdsr-a-8", "edsr-8", "carn", "srvgg", "rrdbnet")
SMALLER = {"rrdbnet": 2}  # by what its frames' sides are divided: it takes ten times as long as the others
ENGINES = {  # contestant -> name and precision
    "keras": ("keras", "float32"),
    "onnx": ("onnx", "float32"),
    "openvino": ("openvino", "float32"),
    "openvino bfloat16": ("openvino", "bfloat16"),
    "openvino int8": ("openvino", "int8"),
}
PEERS = {  # contestant -> options of `pytorch.runner`
    "PyTorch": {},
    "PyTorch channels_last": {"channels_last": True},
    "PyTorch channels_last compiled": {"channels_last": True, "compiled": True},
    "PyTorch autocast": {"bfloat16": True},
    "PyTorch autocast channels_last": {"bfloat16": True, "channels_last": True},
    "PyTorch autocast channels_last compiled": {"bfloat16": True, "channels_last": True, "compiled": True},
}
BASE, PRODUCT = "PyTorch", "matrix product"
SIDE = 2048  # of the matrices


def define(flags):
    flags.list("networks", list(DEFAULT), f"Networks to run, at x2, among {', '.join(NETWORKS)}.")
    flags.list("engines", list(ENGINES), "Engines to compare.")
    flags.list("peers", list(PEERS), "What runs in PyTorch. Compiling takes up to a minute for each network and frame.")
    flags.list("frames", ["256x256"], "Sizes of the LR image in pixels, HEIGHTxWIDTH; rrdbnet gets half the sides.")
    flags.integer("rounds", 9, "Rounds that count, after one that doesn't.", minimum=1)
    flags.switch("memory", False, "Measure memory, too, in a process for each contestant.")
    flags.switch("startup", False, "Measure the time to the first pixel instead.")


def run(flags, _words):
    measuring.chosen(flags.networks, NETWORKS, "network")
    measuring.chosen(flags.engines, ENGINES, "engine")
    peers = measuring.chosen(list(dict.fromkeys([BASE, *flags.peers])), PEERS, "peer")
    if flags.startup:
        startup(flags)
        return
    sizes = [frame_size(frame) for frame in flags.frames]
    measuring.protocol(
        "x2, fresh weights, the same ones in PyTorch; uint8 NHWC in, float32 NHWC out, with each library's own choice "
        f"of threads. All contestants run in turn in one process: medians of {flags.rounds} rounds after one more, "
        "ratios paired by round. Fastest: PyTorch's contestant with the lowest median in the same precision; int8 is "
        "compared with the fastest under autocast. GFLOP/s: twice the multiply-adds of the convolutions, also relative "
        f"to PyTorch's product of two float32 matrices of {SIDE} x {SIDE} in the same rounds. Memory: the greatest "
        "resident size of a fresh process that runs one image."
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in flags.networks:
            divisor = SMALLER.get(name, 1)
            frames = [(height // divisor, width // divisor) for height, width in sizes]
            measure(name, Path(folder), flags.engines, peers, frames, flags.rounds, flags.memory)


def frame_size(frame):
    """`"339x510"` -> (339, 510)."""
    height, _, width = frame.partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InputError(f"--frames takes sizes such as 339x510, not {frame!r}.")
    return int(height), int(width)


def measure(name, folder, engines, peers, sizes, rounds, with_memory):
    """Prints one table per size for the network `name`."""
    from benchmarks import pytorch
    from wdsr_tf.inference.engines import open_engine
    from wdsr_tf.models.multiply_adds import multiply_adds

    model, path = make_network(name, folder)
    module = pytorch.twin(model)
    contestants = {peer: pytorch.runner(pytorch.twin(model), **PEERS[peer]) for peer in peers}
    pytorch.torch.save(module, path.with_suffix(".pt"))
    for engine in engines:
        contestants[engine] = open_engine(path, *ENGINES[engine], allow_loss=True).run
    for height, width in sizes:
        lr = noise(height, width)
        check(contestants, lr[:, :32, :48])
        runs = {contestant: functools.partial(upscale, lr) for contestant, upscale in contestants.items()}
        runs[PRODUCT] = pytorch.matrix_product(SIDE)
        seconds = measuring.interleaved(runs, rounds)
        memory = {name: run_alone(path, name, height, width)[1] if with_memory else None for name in contestants}
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
    """Raises if two contestants compute different results; bfloat16 may differ by 5 % of the range, int8 by more."""
    import numpy as np

    results = {name: upscale(lr) for name, upscale in contestants.items() if "int8" not in name}
    scale = np.ptp(results[BASE])
    for name, result in results.items():
        if np.abs(result - results[BASE]).max() > (1e-4 if is_float32(name) else 0.05) * scale:
            raise InputError(f"{name} and {BASE} compute different results.")


def is_float32(name):
    """Whether a contestant computes in float32."""
    return not any(word in name for word in ("bfloat16", "autocast", "int8"))


def print_table(seconds, operations, memory):
    """Prints a row per contestant; `operations` are those of one image."""
    product = statistics.median(seconds[PRODUCT])
    print(f"{operations / 1e9:.1f} GFLOP per image; matrix product {2 * SIDE**3 / product / 1e9:.0f} GFLOP/s\n")
    columns = ["seconds", f"times {BASE} (range)", "times the fastest (range)", "GFLOP/s", "of matrix product"]
    measuring.print_header("", *columns, *(["memory"] if any(memory.values()) else []))
    base, fastest = measuring.ratios(seconds, BASE), {}
    for kind in (True, False):
        peers = [name for name in seconds if name in PEERS and is_float32(name) == kind]
        if peers:
            peer = min(peers, key=lambda name: statistics.median(seconds[name]))
            fastest[kind] = measuring.ratios(seconds, peer)
    rate = measuring.ratios(seconds, PRODUCT)
    for name in memory:
        time = statistics.median(seconds[name])
        measuring.print_row(
            name,
            f"{time:.3f}",
            measuring.span(*base[name]),
            measuring.span(*fastest[is_float32(name)][name]) if is_float32(name) in fastest else "",
            f"{operations / time / 1e9:.0f}",
            f"{rate[name][0] * operations / (2 * SIDE**3):.0%}",
            *([f"{memory[name] / 2**20:.0f} MiB"] if memory[name] else []),
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
