"""Size and speed of the light installation: python -m benchmarks.install

`build_wheel` and `install` also serve tests/test_wheel.py.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from benchmarks import measuring
from wdsr_tf.commands.command import Command

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "profiles", "wdsr_tf")
SIZE_BAR, TIME_BAR = 400, 3  # MB, seconds
WIDTH, HEIGHT = 320, 200


def define(flags):
    flags.integer("rounds", 7, "Starts of the command that count, after one that doesn't.", minimum=1)


def run(flags, _words):
    measuring.protocol(
        "A virtual environment with the wheel, its dependencies at the pinned versions, and pip. Size: all its files, "
        f"compiled modules included. Time: `wdsr-tf upscale` of one PNG of {WIDTH} x {HEIGHT} pixels with the bundled "
        f"models, from process start to exit: the first start, and the median (range) of {flags.rounds} more."
    )
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        environment = install(build_wheel(folder), folder / "venv")
        size = sum(path.lstat().st_size for path in environment.rglob("*")) / 1e6
        draw_image(folder / "image.png")
        command = [executable(environment, "wdsr-tf"), "upscale", "-i", "image.png", "-o", "out", "--overwrite"]
        seconds = [seconds_of(command, folder) for _ in range(1 + flags.rounds)]
    first, *others = seconds
    median = statistics.median(others)
    print()
    measuring.print_header("", "measured", "bar")
    measuring.print_row("size of the environment", f"{size:.0f} MB", f"{SIZE_BAR} MB")
    measuring.print_row("first start", f"{first:.2f} s", "")
    measuring.print_row("later starts", f"{measuring.span(median, min(others), max(others))} s", f"{TIME_BAR} s")
    return 0 if size <= SIZE_BAR and median <= TIME_BAR else 1


def build_wheel(folder):
    """Builds the wheel in `folder` from a copy of the sources, by way of the source distribution; returns its path.

    Without the copy, setuptools would add what earlier builds left in build/.
    """
    source, python = folder / "source", [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    source.mkdir()
    for name in SOURCES:
        path = REPOSITORY / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    code = f"from setuptools.build_meta import build_sdist; build_sdist({str(folder)!r})"
    _call([sys.executable, "-c", code], source)
    (sdist,) = folder.glob("*.tar.gz")
    _call([*python, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(sdist)], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel, environment):
    """Installs the wheel and its dependencies, at the pinned versions, into a new virtual environment; returns it."""
    venv.create(environment, with_pip=True)
    words = ["-m", "pip", "--disable-pip-version-check", "install", "-c", str(REPOSITORY / "constraints.txt")]
    _call([executable(environment, "python"), *words, str(wheel)], environment)
    return environment


def executable(environment, name):
    """The path of a command in a virtual environment."""
    return str(environment / ("Scripts" if os.name == "nt" else "bin") / name)


def draw_image(path):
    """Writes a small image that looks like a photograph to PNG."""
    from PIL import Image

    from benchmarks.drawn import draw

    Image.fromarray(next(draw(1, HEIGHT, WIDTH))).save(path)


def seconds_of(command, folder):
    """Seconds from the start of the command in `folder` to its end."""
    started = time.perf_counter()
    _call(command, folder)
    return time.perf_counter() - started


def _call(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


COMMAND = Command("install", "Measures the size and speed of the light installation.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.install"))
