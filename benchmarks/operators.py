"""Where OpenVINO spends its time, by kind of operator: python -m benchmarks.operators"""

import collections
import tempfile
from pathlib import Path

from absl import app, flags

from benchmarks import timing
from benchmarks.inference import network, picture  # whose flag --network serves here, too
from wdsr_tf.inference.engines import cache, openvino, quantize
from wdsr_tf.system.quiet import load_openvino

FLAGS = flags.FLAGS
RUNS = 9
SHOWN = 5  # kinds of operators a table


def main(_):
    timing.protocol(
        f"Milliseconds by kind of operator and kernel, from OpenVINO's own counters, of the fastest of {RUNS} pictures "
        f"of 256 x 256; the {SHOWN} kinds that take most."
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in FLAGS.network:
            _, path = network(name, Path(folder))
            for precision in ("float32", "int8"):
                profile(f"{name}, {precision}", path, precision)


def profile(title, checkpoint, precision):
    """Prints a table of one network."""
    convert = quantize.network if precision == "int8" else lambda path: cache.onnx_network(path, "openvino")
    core = load_openvino().Core()
    core.set_property("CPU", {"PERF_COUNT": True})
    lr = picture(256, 256).astype("float32")
    request = openvino.compile_network(core, core.read_model(convert(checkpoint)[0]), lr.shape).create_infer_request()
    fastest = min((counted(request, lr) for _ in range(RUNS)), key=lambda kinds: sum(ms for ms, _ in kinds.values()))
    total = sum(ms for ms, _ in fastest.values())
    print(f"\n{title}: {total:.0f} ms\n\n| operators | how many | ms | part |\n| --- | --- | --- | --- |")
    for kind, (ms, count) in sorted(fastest.items(), key=lambda item: -item[1][0])[:SHOWN]:
        print(f"| {kind} | {count} | {ms:.0f} | {ms / total:.0%} |", flush=True)


def counted(request, lr):
    """{kind: (milliseconds, how many)} of one picture."""
    request.infer([lr])
    kinds = collections.defaultdict(lambda: (0.0, 0))
    for operator in request.profiling_info:
        name = f"{operator.node_type}, {operator.exec_type}"
        ms, count = kinds[name]
        kinds[name] = ms + operator.real_time.total_seconds() * 1e3, count + 1
    return kinds


if __name__ == "__main__":
    app.run(main)
