"""What bfloat16 and int8 cost in dB in OpenVINO, and their speed: python -m benchmarks.precision FOLDER"""

import statistics
import sys
from pathlib import Path

from benchmarks import measuring
from wdsr_tf import weights
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

BUNDLED = ("wdsr-a-8-x2", "wdsr-a-8-x3", "wdsr-a-8-x4", "wdsr-b-4-x2")
FILES = {  # a file in FOLDER/weights -> its scales
    "wdsr_a_8_e6_x2.npz": (2,),
    "edsr_8_x2.npz": (2,),
    "carn_x2.npz": (2,),
    "carn_m.pth": (2, 3, 4),
    "wdsr_b_32_x4.h5": (4,),
    "srcnn.onnx": (2, 3, 4),
    "c_dcscn_x2/dcscn_L7_F32to8_G1.20_NIN_A24_B8_PS_R1F32.ckpt.index": (2,),
    "waifu2x/upconv_7_photo/scale2.0x_model.param": (2,),
    "waifu2x/cunet/scale2.0x_model.param": (2,),
    "waifu2x/vgg_7/anime_style_scale_rgb.npz": (2,),
    "esrgan_family/IMDN_x4.pth": (4,),
    "esrgan_family/VDSR_Official.mat": (2, 3, 4),
    "esrgan_family/ncnn/spanx2_ch48.param": (2,),
    "esrgan_family/ncnn/spanx4_ch48.param": (4,),
    "esrgan_family/ncnn/realesr-animevideov3-x2.param": (2,),
    "esrgan_family/ncnn/realesr-general-x4v3.param": (4,),
    "esrgan_family/ncnn/realesrgan-x4plus-anime.param": (4,),
}
QUANTIZED = ("wdsr_a_8_e6_x2.npz", "edsr_8_x2.npz", "carn_x2.npz", "carn_m.pth")
BENCHMARKS = ("Set5", "Set14")
PROTOCOL = "paper"
LIMIT = 0.02  # dB that "auto" may cost
SIDE = 256


def define(flags):
    flags.list("files", [BUNDLED[0], *QUANTIZED], "Bundled models, and weights files in FOLDER/weights; or all.")
    flags.list("quantized", list(QUANTIZED), "Those that are also measured in int8, at x2; a minute each.")
    flags.list("benchmarks", list(BENCHMARKS), "Folders in FOLDER/images/benchmark.")
    flags.integer("rounds", 5, "Rounds of the speed measurement that count, after one that doesn't.", minimum=1)
    flags.switch("speed", True, "Measure seconds, too.")


def run(flags, words):
    if len(words) != 1:
        raise InputError("Name the folder that contains weights/ and images/: python -m benchmarks.precision FOLDER")
    folder = Path(words[0])
    measuring.protocol(
        f"OpenVINO: the loss in dB against float32, {PROTOCOL} protocol, LR from the benchmarks' own files; int8 is "
        "calibrated on photographs. "
        f"Seconds: medians of {flags.rounds} interleaved rounds on {SIDE} x {SIDE} LR pixels, and how many times as "
        "fast as float32, paired by round."
    )
    seconds = ("seconds float32", "bfloat16", "int8") if flags.speed else ()
    losses = [f"{precision}, {name}" for precision in ("bfloat16", "int8") for name in flags.benchmarks]
    measuring.print_header("file", "network", "scale", *losses, *seconds)
    worst = {}
    for name in [*BUNDLED, *FILES] if flags.files == ["all"] else flags.files:
        for scale in FILES.get(name, (None,)):
            is_quantized = name in flags.quantized and scale == 2
            architecture, loss = measure(flags, folder, name, scale, is_quantized)
            worst[architecture] = max(loss, worst.get(architecture, loss))
    keep = sorted(name for name, loss in worst.items() if loss <= LIMIT)
    print(f"\nWithin {LIMIT} dB in bfloat16: {', '.join(keep)}. Beyond: {', '.join(sorted(worst.keys() - keep))}.")


def measure(flags, folder, name, scale, is_quantized):
    """Prints a row; returns the network's name, and the most that bfloat16 changes on a benchmark, in dB."""
    from wdsr_tf.importers.load import checkpoint_of
    from wdsr_tf.inference.engines import open_engine

    path = weights.named(name) or checkpoint_of(folder / "weights" / name, scale=scale)
    engines = {precision: open_engine(path, "openvino", precision) for precision in ("float32", "bfloat16")}
    if is_quantized:
        photographs = folder / "images" / "photos" / "train"
        engines["int8"] = open_engine(path, "openvino", "int8", calibration=photographs, allow_loss=True)
    figures = {
        precision: [psnr(engine, folder / "images" / "benchmark" / each) for each in flags.benchmarks]
        for precision, engine in engines.items()
    }
    losses = {
        precision: [before - after for before, after in zip(figures["float32"], figures[precision], strict=True)]
        for precision in engines
    }
    missing = [""] * len(flags.benchmarks)
    cells = [f"{loss:.3f}" for loss in losses["bfloat16"]]
    cells += [f"{loss:.3f}" for loss in losses["int8"]] if is_quantized else missing
    if flags.speed:
        cells += timed(engines, flags.rounds)
    engine = engines["float32"]
    measuring.print_row(name.rpartition("/")[2], engine.architecture, f"x{engine.scale}", *cells)
    return engine.architecture, max(map(abs, losses["bfloat16"]))


def psnr(engine, folder):
    """Mean PSNR of an engine on a benchmark."""
    from wdsr_tf.evaluation import datasets
    from wdsr_tf.evaluation.measure import measure as measure_upscaling
    from wdsr_tf.inference.strips import upscale

    pairs = datasets.of_benchmark(folder, engine.scale)
    return measure_upscaling(engine.name, lambda lr: upscale(engine, lr), pairs, [PROTOCOL]).mean(PROTOCOL)[0]


def timed(engines, rounds):
    """The cells for seconds: of float32, and of the others with their ratios."""
    from benchmarks.inference import noise

    lr = noise(SIDE, SIDE)
    runs = {precision: (lambda run=engine.run: run(lr)) for precision, engine in engines.items()}
    seconds = measuring.interleaved(runs, rounds)
    ratios = measuring.ratios(seconds, "float32")
    medians = {precision: f"{statistics.median(times):.3f}" for precision, times in seconds.items()}
    others = (f"{medians[p]}, {measuring.span(*ratios[p])}" if p in medians else "" for p in ("bfloat16", "int8"))
    return [medians["float32"], *others]


COMMAND = Command(
    "precision", "Measures what bfloat16 and int8 cost in dB, and their speed, in OpenVINO.", define, run, "FOLDER"
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.precision"))
