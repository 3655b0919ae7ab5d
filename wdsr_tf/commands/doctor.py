"""`wdsr-tf doctor`: what this installation, this machine and a data set are like, as text for an issue."""

import dataclasses
import importlib.metadata
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path

from wdsr_tf import __version__
from wdsr_tf.commands.command import Command, complain, say

REQUIRED = ("numpy", "pillow", "absl-py", "tqdm", "onnxruntime")
OPTIONAL = (
    *("tensorflow", "keras", "jax", "h5py", "onnx", "safetensors", "tensorboard", "openvino", "nncf"),
    *("imagecodecs", "tifffile", "ai-edge-litert", "av", "fsspec", "s3fs", "gcsfs", "adlfs"),
)
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8", "asimd", "bf16")
LITTLE_MEMORY, LITTLE_DISK = 2**30, 2**30  # bytes
PROBE = 64 * 2**20  # bytes that the measurement of the disk writes
MODEL = "wdsr-a-8-x2.keras"  # that upscales by default
SHOWN = 5  # names in a line

OK, WARNING, BROKEN = "ok", "warning", "broken"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of the report.

    Args:
        name: what was looked at, such as "memory".
        text: what was found.
        state: "ok", "warning" or "broken".
    """

    name: str
    text: str
    state: str = OK


def define(flags):
    flags.string("dataset", None, "Folder of training images to check, too.", short="d")
    flags.string(
        "outdir",
        None,
        "Folder whose disk is measured: 64 MiB are written and removed. Default: this folder.",
        short="o",
    )
    flags.switch("json", False, "Print JSON.")


def run(flags, words):
    findings = []
    for check in (
        _system,
        _packages,
        _bundled_models,
        _accelerators,
        _memory,
        lambda: _disk(flags.outdir or os.curdir),
        _choices,
    ):
        findings += check()
    if flags.dataset:
        findings += _dataset(flags.dataset)
    if flags.json:
        import json

        say(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            mark = {OK: " ", WARNING: "!", BROKEN: "X"}[finding.state]
            say(f"{mark} {finding.name:<{width}}  {finding.text}")
    broken = [finding.name for finding in findings if finding.state == BROKEN]
    if broken:
        complain(f"Broken: {', '.join(broken)}.")
    return 1 if broken else 0


def _system():
    from wdsr_tf.system import cores, cpu

    sets = cpu.instruction_sets()
    flags = " ".join(name for name in CPU_FLAGS if name in sets) or "unknown instruction sets"
    yield Finding("wdsr-tf", f"{__version__} on {platform.platform()}")
    yield Finding("Python", f"{platform.python_version()}, {platform.machine()}")
    yield Finding("CPU", f"{cores.available()} cores, {flags}")


def _packages():
    missing = [name for name in REQUIRED if not _version(name)]
    yield Finding("packages", _versions(REQUIRED), BROKEN if missing else OK)
    yield Finding("optional packages", _versions(OPTIONAL) or "none")
    if missing:
        yield Finding("missing packages", ", ".join(missing), BROKEN)


def _versions(names):
    return ", ".join(f"{name} {_version(name)}" for name in names if _version(name))


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _bundled_models():
    """Upscales a small image, which tells whether the installation works."""
    try:
        import numpy as np

        from wdsr_tf import upscale

        size = upscale(np.full((16, 16, 3), 128, "uint8"), scale=2).shape
        yield Finding("bundled models", f"upscale 16 x 16 to {size[0]} x {size[1]} pixels")
    except Exception as error:  # whatever is broken here is what the report is for
        yield Finding("bundled models", f"can't upscale: {_line(error)}", BROKEN)


def _accelerators():
    try:
        import onnxruntime

        from wdsr_tf.inference.engines import onnx

        providers = ", ".join(onnxruntime.get_available_providers())
        yield Finding("ONNX Runtime", f"{providers}; {_gpus(onnx.gpus())}")
    except Exception as error:
        yield Finding("ONNX Runtime", f"can't be imported: {_line(error)}", BROKEN)
    if _version("openvino"):
        from wdsr_tf.inference.engines import openvino

        yield Finding("OpenVINO", _gpus(openvino.gpus()))
    if not _version("keras"):
        yield Finding("Keras", "isn't installed: no training, no conversions")
        return
    try:
        from wdsr_tf.system.quiet import load_keras

        load_keras()
        import keras

        devices = ", ".join(keras.distribution.list_devices())
        yield Finding("Keras", f"backend {keras.backend.backend()}; devices: {devices}")
    except Exception as error:
        yield Finding("Keras", f"can't be imported: {_line(error)}", BROKEN)


def _gpus(names):
    return ", ".join(f"gpu:{number} ({name})" for number, name in enumerate(names)) or "no GPU"


def _memory():
    from wdsr_tf.system import memory

    free = memory.free()
    yield Finding("free memory", f"{free / 2**30:.1f} GiB", WARNING if free < LITTLE_MEMORY else OK)


def _disk(outdir):
    places = {"output folder": Path(outdir), "temporary folder": Path(tempfile.gettempdir()), "cache": _cache()}
    for name, folder in places.items():
        try:
            free = shutil.disk_usage(folder).free
        except OSError as error:
            yield Finding(name, f"{folder}: {error.strerror}", WARNING)
            continue
        problem = "" if os.access(folder, os.W_OK) else "; it can't be written to"
        speed = f"; writes {_speed(folder) / 2**20:.0f} MiB/s" if name == "output folder" and not problem else ""
        state = WARNING if problem or free < LITTLE_DISK else OK
        yield Finding(name, f"{folder}: {free / 2**30:.1f} GiB free{speed}{problem}", state)


def _cache():
    from wdsr_tf.system.caches import user_cache

    folder = user_cache()
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def _speed(folder):
    """Bytes per second that a new file in `folder` takes."""
    block = os.urandom(2**20)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            start = time.perf_counter()
            for _ in range(PROBE // len(block)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            return PROBE / (time.perf_counter() - start)
    except OSError:
        return 0.0


def _choices():
    """What would be chosen here if no flag says otherwise."""
    from wdsr_tf import weights
    from wdsr_tf.inference.engines import choose
    from wdsr_tf.training.config import TrainingConfig

    choice = choose(weights.FOLDER / MODEL)
    because = f", because {choice.reason}" if choice.reason else ""
    yield Finding("would upscale with", f"engine {choice.engine}, precision {choice.precision}{because}")
    if _version("keras"):
        try:
            from wdsr_tf.training.precision import fastest

            precision, reason = fastest()
            batch = f"batch size {TrainingConfig().batch_size} (train --find-batch measures the largest)"
            yield Finding("would train with", f"precision {precision}, because {reason}; {batch}")
        except Exception as error:
            yield Finding("would train with", f"unknown: {_line(error)}", WARNING)


def _dataset(folder):
    from wdsr_tf.errors import InputError
    from wdsr_tf.evaluation import health

    try:
        found = health.check(folder)
    except InputError as error:
        yield Finding("data set", str(error), BROKEN)
        return
    sizes = " to ".join(f"{width} x {height}" for height, width in (found.smallest, found.largest))
    yield Finding("data set", f"{folder}: {found.count} images, {sizes} pixels; {found.checked} checked for content")
    broken = [f"{name} ({_line(reason)})" for name, reason in found.broken.items()]
    leaks = [f"{name} is {benchmark}" for name, benchmark in found.benchmarks.items()]
    equal = [" = ".join(names) for names in found.duplicates]
    for name, names, state in [
        ("can't be read", broken, BROKEN),
        ("benchmark images", leaks, BROKEN),
        ("duplicates", equal, WARNING),
        (f"below {health.SMALL} pixels", found.small, WARNING),
        ("seem upscaled", found.upscaled, WARNING),
        ("seem compressed", found.compressed, WARNING),
    ]:
        more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        listed = f"{len(names)}: {', '.join(names[:SHOWN])}{more}" if names else "none"
        yield Finding(name, listed, state if names else OK)


def _line(error):
    return " ".join(str(error).split())[:300]


COMMAND = Command(
    "doctor",
    "Reports what this installation and this machine can do, and checks a data set.",
    define,
    run,
    description=(
        "Paste its output into an issue. `!` marks a warning. `X` marks what is broken; the exit code is then 1.\n\n"
        "With --dataset, it looks for images that can't be read, duplicates, images of Set5 and Set14 (which shouldn't "
        "be trained on), and images that seem upscaled or heavily compressed."
    ),
)
