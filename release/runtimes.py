"""Seven exported networks in other programs' runtimes: docs/runtimes.json, and the table in docs/export.md.

python -m release.runtimes FOLDER

FOLDER contains weights/ of other projects. Makes an environment for each runtime in a temporary folder, which takes
PyPI, npm, and 2 GB. Each network is exported in two forms, by default and for a fixed size with planes in 0..1
(ncnn: the latter only), and run on a small drawn image. The difference from Keras is the worse of both, in gray levels.
"""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

from benchmarks import measuring
from wdsr_tf import weights
from wdsr_tf.commands.command import Command
from wdsr_tf.errors import InputError

DOCS = Path(__file__).parents[1] / "docs"
DOCUMENT, FIGURES = DOCS / "export.md", DOCS / "runtimes.json"
HEIGHT, WIDTH = 40, 48
LIMIT = 0.05  # gray levels; far below what rounding to 8 bits costs; most of it is float32 in another order


@dataclasses.dataclass(frozen=True)
class Runtime:
    """Where an exported network runs.

    Args:
        title: of the table's column.
        packages: for pip, or for npm if it is "node".
        runner: a function of `runtime.py`, or "node".
        options: of pip or npm.
    """

    title: str
    packages: tuple[str, ...]
    runner: str
    options: tuple[str, ...] = ()


RUNTIMES = (
    Runtime("OpenCV 4.11", ("opencv-python-headless==4.11.0.86", "numpy<2.3"), "opencv"),
    Runtime("OpenCV 5.0", ("opencv-python-headless==5.0.0.93", "numpy"), "opencv"),
    Runtime("ONNX Runtime 1.19", ("onnxruntime==1.19.2", "numpy<2.3"), "onnxruntime"),
    Runtime("ONNX Runtime 1.32", ("onnxruntime==1.32.0", "numpy"), "onnxruntime"),
    Runtime("ncnn 1.0.20261020", ("ncnn==1.0.20261020", "pnnx==20261020", "numpy"), "ncnn", ("--no-deps",)),
    # Its installation script fetches CUDA libraries.
    Runtime("onnxruntime-node 1.30", ("onnxruntime-node@1.30.0",), "node", ("--ignore-scripts",)),
)
NETWORKS = {  # name: weights file in FOLDER/weights, of this project, or None for fresh weights
    "wdsr-a-8-x2": weights.FOLDER / "wdsr-a-8-x2.keras",
    "wdsr-b-4-x2": weights.FOLDER / "wdsr-b-4-x2.keras",
    "edsr-8-x2": "edsr_8_x2.npz",
    "carn-x2": "carn_x2.npz",
    "srvgg-x2": "esrgan_family/ncnn/realesr-animevideov3-x2.bin",
    "rrdbnet-x4": "esrgan_family/ncnn/realesrgan-x4plus-anime.bin",
    "espcn-x2": None,
}


def define(flags):
    flags.string("environments", None, "Folder to keep the environments in. Default: a temporary folder.")


def run(flags, words):
    if len(words) != 1:
        raise InputError("Name the folder that contains weights/: python -m release.runtimes FOLDER")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "networks"
        folder.mkdir()
        expected = export(Path(words[0]) / "weights", folder)
        figures = {name: {} for name in expected}
        for runtime in RUNTIMES:
            start(runtime, environment(runtime, Path(flags.environments or temporary)), folder)
            for name, sr in expected.items():
                figures[name][runtime.title] = difference(folder, name, runtime.runner, sr)
    FIGURES.write_text(json.dumps({"image": [HEIGHT, WIDTH], "limit": LIMIT, "networks": figures}, indent=2) + "\n")
    measuring.protocol("Largest difference from Keras in gray levels of 255.")
    for line in table(figures):
        print(line)
    return 0


def export(source, folder):
    """Writes lr.npy and both forms of each network; returns Keras's outputs by name."""
    import keras

    import wdsr_tf
    from wdsr_tf.export.export import exact
    from wdsr_tf.export.form import Form
    from wdsr_tf.export.onnx import write
    from wdsr_tf.export.parity import draw

    lr = draw(HEIGHT, WIDTH)[None].astype("float32")
    np.save(folder / "lr.npy", lr)
    expected = {}
    for name, path in NETWORKS.items():
        keras.utils.set_random_seed(0)
        model = exact(wdsr_tf.load(source / path) if path else wdsr_tf.create_model("espcn", 2))
        expected[name] = keras.ops.convert_to_numpy(model(lr, training=False))
        write(model, folder / f"{name}.any.onnx", Form())
        tile = Form(layout="nchw", value_range="0..1", tile=(HEIGHT, WIDTH))
        write(model, folder / f"{name}.tile.onnx", tile)
    return expected


def environment(runtime, root):
    """Returns a folder with the runtime's packages, which is made unless it is there."""
    folder = root / "".join(c if c.isalnum() else "-" for c in runtime.title)
    if runtime.runner == "node":
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "node_modules").exists():
            (folder / "package.json").write_text("{}")
            subprocess.run(["npm", "install", "--silent", *runtime.options, *runtime.packages], cwd=folder, check=True)
    elif not folder.exists():
        venv.create(folder, with_pip=True, symlinks=os.name != "nt")
        pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *runtime.options, *runtime.packages]
        subprocess.run(pip, check=True)
    return folder


def start(runtime, environment, folder):
    """Runs all networks in a process of the environment."""
    here = Path(__file__).parent
    if runtime.runner == "node":
        command = ["node", here / "runtime.mjs", folder]
    else:
        command = [environment / "bin" / "python", "-I", here / "runtime.py", runtime.runner, folder]
    for old in (*folder.glob(f"*.{runtime.runner}.npy"), *folder.glob(f"*.{runtime.runner}.txt")):
        old.unlink()  # of another version of the runtime
    subprocess.run(command, cwd=environment, check=True)


def difference(folder, name, runner, expected):
    """The largest difference of all forms that ran, or the error of one that failed."""
    for error in sorted(folder.glob(f"{name}.*.{runner}.txt")):
        return f"{error.name}: {error.read_text().strip()[-200:]}"
    outputs = [np.load(path) for path in sorted(folder.glob(f"{name}.*.{runner}.npy"))]
    if not outputs or any(sr.shape != expected.shape for sr in outputs):
        return "no output of the right size"
    return round(max(float(np.abs(sr - expected).max()) for sr in outputs), 6)


def table(figures):
    """Yields the lines of the table in docs/export.md."""
    titles = [runtime.title for runtime in RUNTIMES]
    yield "| network | " + " | ".join(titles) + " |"
    yield "| --- " * (len(titles) + 1) + "|"
    for name, row in figures.items():
        cells = [f"{row[title]:.2g}" if isinstance(row[title], float) else "fails" for title in titles]
        yield f"| {name} | " + " | ".join(cells) + " |"


COMMAND = Command("runtimes", "Runs seven exported networks in other runtimes.", define, run, "FOLDER")

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m release.runtimes"))
