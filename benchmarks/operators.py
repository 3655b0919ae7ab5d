"""Where OpenVINO spends its time, by kind of operator: python -m benchmarks.operators"""

import collections
import sys
import tempfile
from pathlib import Path

from benchmarks import measuring
from benchmarks.inference import NETWORKS, make_network, noise
from wdsr_tf.commands.command import Command

RUNS = 9
SHOWN = 5  # kinds of operators per table


def define(flags):
    flags.list("networks", list(NETWORKS), "Networks to profile, at x2.")


def run(flags, _words):
    measuring.chosen(flags.networks, NETWORKS, "network")
    measuring.protocol(
        f"Milliseconds by kind of operator and kernel, from OpenVINO's own counters, of the fastest of {RUNS} images "
        f"of 256 x 256; the {SHOWN} slowest kinds."
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in flags.networks:
            _, path = make_network(name, Path(folder))
            for precision in ("float32", "int8"):
                profile(f"{name}, {precision}", path, precision)


def profile(title, checkpoint, precision):
    """Prints a table for one network."""
    from wdsr_tf.inference.engines import cache, quantize
    from wdsr_tf.system.openvino import compile_network, load_openvino

    convert = quantize.network if precision == "int8" else cache.onnx_network
    core = load_openvino().Core()
    core.set_property("CPU", {"PERF_COUNT": True})
    lr = noise(256, 256).astype("float32")
    request = compile_network(core, core.read_model(convert(checkpoint)[0]), lr.shape).create_infer_request()
    fastest = min((counted(request, lr) for _ in range(RUNS)), key=lambda kinds: sum(ms for ms, _ in kinds.values()))
    total = sum(ms for ms, _ in fastest.values())
    print(f"\n{title}: {total:.0f} ms\n")
    measuring.print_header("operators", "count", "ms", "part")
    for kind, (ms, count) in sorted(fastest.items(), key=lambda item: -item[1][0])[:SHOWN]:
        measuring.print_row(kind, count, f"{ms:.0f}", f"{ms / total:.0%}")


def counted(request, lr):
    """{kind: (milliseconds, count)} of one image."""
    request.infer([lr])
    kinds = collections.defaultdict(lambda: (0.0, 0))
    for operator in request.profiling_info:
        name = f"{operator.node_type}, {operator.exec_type}"
        ms, count = kinds[name]
        kinds[name] = ms + operator.real_time.total_seconds() * 1e3, count + 1
    return kinds


COMMAND = Command("operators", "Prints where OpenVINO spends its time, by kind of operator.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.operators"))
