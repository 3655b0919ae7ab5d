"""Every published weights file in a folder, measured: python -m benchmarks.zoo FOLDER"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

from benchmarks.document import section, write_section
from benchmarks.measuring import machine
from benchmarks.one_file import ENGINES, MEMORY_SIDE, PROTOCOL, ROUNDS, SIDE
from release.reproduce import BAR, expected, read_manifest, weight_files
from wdsr_tf.commands.command import Command, complain, say
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENT, MARK = REPOSITORY / "docs" / "models.md", "benchmarks.zoo"
FIGURES = DOCUMENT.with_name("zoo.json")
DESCRIPTION = """\
FOLDER contains weights/ and weights/esrgan_family/, each with a MANIFEST.json and the files that it lists, and \
images/benchmark/Set5. Each file is measured in a process of its own. The figures are kept in docs/zoo.json, and the \
table is written into docs/models.md, so quality and speed can be measured on different days. The exit code is 1 if a \
file fails, or its PSNR differs from the published one by more than 0.02 dB."""
FAMILY = "esrgan_family"
PASSES = {"quality": ("quality", "memory"), "speed": ("speed",)}
# Trained to look sharp, which costs PSNR.
PERCEPTUAL = ("realesr", "realcugan", "4xSPANkendata")
PUBLISHED = {  # PSNR on Set5 where the manifest has none: of the papers, or of the weights' authors
    "esrgan_family/IMDN_x4.pth": {"x4": 32.21},
    "esrgan_family/VDSR_Official.mat": {"x2": 37.53, "x4": 31.35},
    "esrgan_family/ncnn/spanx2_ch48.param": {"x2": 38.08},
    "esrgan_family/ncnn/spanx4_ch48.param": {"x4": 32.20},
}
# Its authors publish the same weights once more, for another graph.
BORROWED = {"esrgan_family/ncnn/realesr-animevideov3-x3.param": "esrgan_family/ncnn/realesr-animevideov3-x4.bin"}
HEAD = ("file", "recognized as", "scale", "parameters", "Set5, PSNR", "convert", *ENGINES, "memory")
NOT_MEASURED = "not measured"


def define(flags):
    flags.choice("only", None, tuple(PASSES), "Measure only the quality and memory, or only the speed. Default: both.")
    flags.repeated("files", [], "Measure only files with this in their names; keep the other files' figures.")


def run(flags, words):
    if len(words) != 1:
        raise InputError("Name one folder: python -m benchmarks.zoo FOLDER")
    shared = Path(words[0])
    section(DOCUMENT, MARK)  # finds a document without its marks now
    published = published_figures(shared / "weights")
    chosen = [name for name in published if not flags.files or any(word in name for word in flags.files)]
    if not chosen:
        raise InputError(f"--files: no file has {' or '.join(flags.files)} in its name. Files: {', '.join(published)}.")
    known = read_figures(FIGURES)
    figures = {"machines": known["machines"], "files": {name: known["files"].get(name, {}) for name in published}}
    failed = []
    for kind in [flags.only] if flags.only else PASSES:
        figures["machines"][kind] = machine()
        say("\n".join(["$ " + command(kind), figures["machines"][kind], PROTOCOLS[kind]]))
        for name in chosen:
            try:
                figures["files"][name] |= measured(shared, name, PASSES[kind]) | {"published": published[name]}
            except subprocess.CalledProcessError as error:
                failed.append(f"{name}: {error.stderr.strip().splitlines()[-1]}")
                continue
            say(row(name, figures["files"][name]))
            write_figures(FIGURES, figures)  # now, because a run may be interrupted
            write_section(DOCUMENT, MARK, document(figures))
    problems = failed + missed({name: figures["files"][name] for name in chosen})
    for problem in problems:
        complain(problem)
    return 1 if problems else 0


def published_figures(weights):
    """{file, by its path in `weights`: {"x2": published PSNR on Set5}}, in the order of the manifests."""
    found = {}
    for entry in read_manifest(weights / "MANIFEST.json"):
        bars = {scale: bar for (what, scale), bar in expected(entry["y"]).items() if what == "Set5"}
        for path in weight_files(weights / entry["file"]):
            found[path.relative_to(weights).as_posix()] = bars
    manifest = json.loads((weights / FAMILY / "MANIFEST.json").read_text(encoding="utf-8"))
    for entry in manifest["files"]:
        if not entry["file"].endswith(".bin"):  # which belongs to a .param or a model.json
            found[f"{FAMILY}/{entry['file']}"] = {}
    return {name: bars | PUBLISHED.get(name, {}) for name, bars in found.items()}


def measured(shared, name, kinds):
    """The figures of one file: those of `one_file`'s functions `kinds`, which share a cache of conversions."""
    with tempfile.TemporaryDirectory() as folder:
        path = shared / "weights" / name
        if name in BORROWED:
            path = shutil.copy(path, folder)
            shutil.copy(shared / "weights" / BORROWED[name], Path(path).with_suffix(".bin"))
        figures = {}
        for kind in kinds:
            measures_psnr = kind == "quality" and not any(word in name for word in PERCEPTUAL)
            words = [shared / "images" / "benchmark" / "Set5"] * measures_psnr
            figures |= child(folder, kind, path, *words)
        return figures


def child(cache, *words):
    """What `one_file` prints, from a process of its own."""
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    line = [sys.executable, "-m", "benchmarks.one_file", *map(str, words)]
    return json.loads(subprocess.run(line, check=True, capture_output=True, text=True, env=environment).stdout)


def read_figures(path):
    """The figures of earlier runs."""
    if not path.is_file():
        return {"machines": {}, "files": {}}
    return json.loads(path.read_text(encoding="utf-8"))


def write_figures(path, figures):
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def missed(files):
    """Lines about files whose PSNR differs from the published one, or wasn't measured at a published scale."""
    return [
        f"{name}, {scale}: {ours if ours is None else f'{ours:.2f}'} dB on Set5; published are {theirs:.2f}"
        for name, figures in files.items()
        for scale, theirs in figures.get("published", {}).items()
        if (ours := figures.get("psnr", {}).get(scale)) is None or round(abs(ours - theirs), 3) > BAR
    ]


PROTOCOLS = {
    "quality": (
        f"PSNR in dB on Set5, in the `{PROTOCOL}` protocol, from the benchmark's own LR files; a dash where a file was "
        "trained to look sharp, or upscales by 1. Memory: the greatest resident size of a process that upscales "
        f"{MEMORY_SIDE} x {MEMORY_SIDE} LR pixels in ONNX Runtime, in tiles of the default size."
    ),
    "speed": (
        "Seconds to convert the file into a checkpoint, and per megapixel of the output at the file's first scale, in "
        f"float32 on noise of {SIDE} x {SIDE} LR pixels (the slowest networks: half of that), without tiles. The "
        f"engines run in turn in one process: medians of {ROUNDS} rounds (the slowest networks: 1) after one more."
    ),
}


def command(kind):
    """What measures the figures of `kind` again."""
    return f"python -m benchmarks.zoo FOLDER --only {kind}"


def document(figures):
    """The section of the document, in Markdown."""
    lines = []
    for kind in PASSES:
        lines += ["```", f"$ {command(kind)}", figures["machines"].get(kind, NOT_MEASURED), "```", ""]
        lines += [*textwrap.wrap(PROTOCOLS[kind], 120), ""]
    rows = [row(name, each) for name, each in figures["files"].items()]
    return "\n".join([*lines, f"| {' | '.join(HEAD)} |", f"| {' | '.join(['---'] * len(HEAD))} |", *rows])


def row(name, figures):
    """A file's line of the table."""
    scales = " / ".join(f"x{scale}" for scale in figures.get("scales", []))
    psnr = {f"x{scale}": "-" for scale in figures.get("scales", [])}
    psnr |= {scale: f"{value:.2f}" for scale, value in figures.get("psnr", {}).items()}
    seconds = figures.get("seconds", {})
    cells = [
        f"`{name}`",
        f"`{figures['network']}` of {figures['project']}" if "network" in figures else NOT_MEASURED,
        scales or NOT_MEASURED,
        f"{figures['parameters']:,}" if "parameters" in figures else NOT_MEASURED,
        " / ".join(psnr.values()) or NOT_MEASURED,
        f"{figures['convert']:.1f} s" if "convert" in figures else NOT_MEASURED,
        *(f"{seconds[name]:.3g}" if name in seconds else NOT_MEASURED for name in ENGINES),
        f"{figures['memory'] / 2**20:,.0f} MiB" if "memory" in figures else NOT_MEASURED,
    ]
    return f"| {' | '.join(cells)} |"


COMMAND = Command(
    "zoo",
    "Measures every published weights file: quality, memory and speed.",
    define,
    run,
    "FOLDER",
    DESCRIPTION,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.zoo"))
