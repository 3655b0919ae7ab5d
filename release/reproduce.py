"""Compares our figures of published weights with the published ones: python -m release.reproduce FOLDER"""

import dataclasses
import json
import os
import re
import sys
from pathlib import Path

import numpy as np

from benchmarks.document import section, write_section
from release.saved import SavedFigures
from wdsr_tf import images
from wdsr_tf.commands.command import Command, say
from wdsr_tf.data import div2k
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import datasets, measure
from wdsr_tf.evaluation.metrics import psnr
from wdsr_tf.evaluation.networks import Network
from wdsr_tf.images import rgb_to_y
from wdsr_tf.images.resize import imresize
from wdsr_tf.system.quiet import load_keras

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"
MARK = "release.reproduce"
DESCRIPTION = """\
FOLDER contains weights/MANIFEST.json, the weights files that it lists with their figures, and images/benchmark/Set5 \
and Set14. Measures every file at each of its scales on both benchmarks, and writes tables into docs/benchmarks.md. \
The exit code is 1 if a figure of the manifest is missed or wasn't measured. DRRN takes most of the time: 15 TFLOP per \
megapixel."""

BENCHMARKS = {  # their images, in the order of their numbers
    "Set5": ["baby", "bird", "butterfly", "head", "woman"],
    "Set14": [
        *["baboon", "barbara", "bridge", "coastguard", "comic", "face", "flowers"],
        *["foreman", "lenna", "man", "monarch", "pepper", "ppt3", "zebra"],
    ],
}
PROTOCOL = "paper"
BAR, BICUBIC_BAR = 0.02, 0.1  # dB
JPEG_QUALITY = 80  # of the input of networks of scale 1, which remove artifacts; one image of Set5 was a JPEG of 75
BICUBIC = {  # of the papers, x2, x3, x4
    "Set5": {2: 33.66, 3: 30.39, 4: 28.42},
    "Set14": {2: 30.24, 3: 27.55, 4: 26.00},
}
PAPERS = {  # the papers' own figures, by the manifest's name of the file
    "carn_m.pth": {"Set5": {2: 37.53, 3: 33.99, 4: 31.92}, "Set14": {2: 33.26, 3: 30.08, 4: 28.42}},
    "carn_x2.npz": {"Set5": {2: 37.76}, "Set14": {2: 33.52}},
    "drrn_b1u25.npz": {"Set5": {2: 37.74, 3: 34.03, 4: 31.68}, "Set14": {2: 33.23, 3: 29.96, 4: 28.21}},
    "c_dcscn_x2/": {"Set5": {2: 37.15}, "Set14": {2: 32.74}},
}


@dataclasses.dataclass(frozen=True)
class Line:
    """A row of the table.

    Args:
        file, network: the weights file and its architecture.
        what: the benchmark, and the image if the figure is of one image.
        scale: the upscaling factor.
        psnr, ssim: our figures.
        expected: the manifest's PSNR, or None.
        paper: the paper's PSNR, or None.
    """

    file: str
    network: str
    what: str
    scale: int
    psnr: float
    ssim: float
    expected: float | None = None
    paper: float | None = None

    @property
    def missed(self):
        """Whether our PSNR differs from the manifest's by more than the bar."""
        return self.expected is not None and round(abs(self.psnr - self.expected), 3) > BAR

    def __str__(self):
        """The line in Markdown."""
        difference = "" if self.expected is None else f"{self.psnr - self.expected:+.3f}"
        cells = (self.file, self.network, self.what, f"x{self.scale}", _figure(self.paper), _figure(self.expected))
        return f"| {' | '.join([*cells, f'{self.psnr:.3f}', difference, f'{self.ssim:.4f}'])} |"


def define(flags):
    flags.repeated("only", [], "Measure only files with this in their names, and don't write the document.")
    flags.switch("resume", False, "Continue an interrupted run: don't measure unchanged files again.")
    flags.string("saved", str(REPOSITORY / "build" / "reproduce.json"), "File for the figures of a run.")


def run(flags, words):
    if len(words) != 1:
        raise InputError("Name one folder: python -m release.reproduce FOLDER")
    shared = Path(words[0])
    section(DOCUMENT, MARK)  # finds a document without its marks now, not in an hour
    entries = chosen(read_manifest(shared / "weights" / "MANIFEST.json"), flags.only)
    saved = SavedFigures(Path(flags.saved), resume=flags.resume, others=bool(flags.only))
    load_keras()
    bicubic, missed = bicubic_lines(shared / "images" / "benchmark")
    say("\n".join(bicubic))
    lines = []
    for entry in entries:
        before = len(lines)
        try:
            for line in lines_of(entry, shared, saved):
                lines.append(line)
                missed += [f"{line.file} on {line.what} x{line.scale}: {line.psnr:.3f}"] if line.missed else []
                say(line)
                if not flags.only:  # now, because a run may be interrupted
                    write_section(DOCUMENT, MARK, document(bicubic, lines, missed, saved.seconds, finished=False))
        except InputError as error:
            missed.append(f"{entry['file']}: {error}")
        missed += not_measured(entry, lines[before:])
    if not flags.only:
        write_section(DOCUMENT, MARK, document(bicubic, lines, missed, saved.seconds))
    say("\n".join(["", *verdict(lines, missed)]))
    return 1 if missed else 0


def read_manifest(path):
    """The entries of the manifest; DRRN last, because it is slow."""
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        for entry in files:
            bars = [value for figures in entry["y"].values() for value in figures.values()]
            if not isinstance(entry["file"], str) or not all(isinstance(bar, (int, float, str)) for bar in bars):
                raise TypeError(f"{entry['file']!r} has figures that are neither numbers nor text")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} isn't a manifest of weights files ({type(error).__name__}: {error}).") from error
    if not files:
        raise InputError(f"{path} lists no files.")
    return sorted(files, key=lambda entry: "drrn" in entry["file"])


def chosen(entries, words):
    """The entries with one of `words` in their file's name; all entries without `words`."""
    files = [entry["file"] for entry in entries]
    for word in words:
        if not any(word in file for file in files):
            raise InputError(f"--only {word}: no file of the manifest has this in its name. Files: {', '.join(files)}.")
    return [entry for entry in entries if not words or any(word in entry["file"] for word in words)]


def lines_of(entry, shared, saved):
    """Yields the `Line`s of an entry of the manifest, which may be a folder of several files."""
    paths, bars = weight_files(shared / "weights" / entry["file"]), expected(entry["y"])
    for path in paths:
        network = Network(path.relative_to(shared / "weights").as_posix(), path)
        scales = [scale for scale in network.scales if scale > 1] or network.scales
        sha256 = network.sha256
        for name, names in BENCHMARKS.items():
            for scale in scales:
                pairs = benchmark(shared / "images" / "benchmark" / name, scale)
                what = f"{name}, JPEG {JPEG_QUALITY}" if scale == 1 else name
                key = f"{network.name}|{what}|x{scale}"
                figures = saved.get(key, sha256, lambda n=network, p=pairs: figures_of(n, p))
                paper = PAPERS.get(entry["file"], {}).get(name, {}).get(scale)
                common = (network.name if len(paths) > 1 else entry["file"], figures["network"])
                if scale == 1:
                    row, _ = measure.measure_bicubic(pairs, [PROTOCOL])
                    yield Line(common[0], "its input", what, scale, *row.mean(PROTOCOL)[:2])
                ours, bar = (np.mean(figures["psnr"]), np.mean(figures["ssim"])), bars.get((name, f"x{scale}"))
                yield Line(*common, what, scale, *ours, bar, paper)
                for image, *ours in zip(names, figures["psnr"], figures["ssim"], strict=False):
                    if bar := bars.get((f"{name} {image}", f"x{scale}")):
                        yield Line(*common, f"{name} {image}", scale, *ours, bar)


def not_measured(entry, lines):
    """A text for each of the manifest's figures of a file that none of its `lines` compares with ours."""
    compared = {(line.what.partition(",")[0], f"x{line.scale}") for line in lines if line.expected is not None}
    bars = expected(entry["y"]).items()
    return [
        f"{entry['file']} on {what} {scale}: not measured; the manifest says {bar}"
        for (what, scale), bar in bars
        if (what, scale) not in compared
    ]


def weight_files(path):
    """`path` itself, or for a folder the ncnn or TensorFlow files in it, one path per network."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.param")) or sorted(path.glob("*.index"))
    if not found:
        raise InputError(f"{path} contains neither ncnn nor TensorFlow files (.param, .index).")
    return found


def benchmark(folder, scale):
    """The benchmark's image pairs at `scale`; for x1 the HR images of x2, compressed to JPEG."""
    if scale > 1:
        return datasets.of_benchmark(folder, scale)
    pairs = [div2k.Pair(pair.name, None, pair.hr) for pair in datasets.of_benchmark(folder, 2).pairs]
    return datasets.ImagePairs(pairs, 1, {"benchmark": str(folder)}, JPEG_QUALITY)


def expected(y):
    """{(benchmark, or benchmark and image; "x2"): the manifest's PSNR}; text without figures is left out."""
    bars = {}
    for name, figures in y.items():
        for key, value in figures.items():
            if isinstance(value, str):
                each = re.findall(r"([a-z]\w*) (\d+\.\d+)", value)
                bars |= {(f"{name} {image}", key.partition(" ")[0]): float(figure) for image, figure in each}
            else:
                bars[name, key] = value
    return bars


def figures_of(network, pairs):
    """The network's figures on the images, as plain values."""
    import keras

    row = measure.measure_network(network, pairs, [PROTOCOL])
    keras.utils.clear_session()
    psnr, ssim, _ = row.figures[PROTOCOL].T.tolist()
    return {"network": row.architecture, "psnr": psnr, "ssim": ssim, "seconds": row.seconds}


def bicubic_lines(folder):
    """(lines of a Markdown table, misses): bicubic in the papers, by our protocol, and by that of the papers' code."""
    lines, missed = ["| benchmark | scale | papers | ours | LR in float, luma of gray images unchanged |"], []
    lines.append("| --- | --- | --- | --- | --- |")
    for name, figures in BICUBIC.items():
        for scale, figure in figures.items():
            pairs = datasets.of_benchmark(folder / name, scale)
            row, _ = measure.measure_bicubic(pairs, [PROTOCOL])
            ours = row.mean(PROTOCOL)[0]
            as_papers = np.mean([float_bicubic(pair.hr, scale) for pair in pairs.pairs])
            lines.append(f"| {name} | x{scale} | {figure:.2f} | {ours:.3f} | {as_papers:.3f} |")
            if abs(ours - figure) > BICUBIC_BAR:
                missed.append(f"bicubic on {name} x{scale}: {ours:.3f}")
    return lines, missed


def float_bicubic(path, scale):
    """Bicubic's PSNR as SRCNN's code measures it: rounded luma, LR in float; a gray image is its own luma."""
    picture = images.read_picture(path)
    y = picture.rgb[..., 0].astype("float64") if picture.gray else np.rint(rgb_to_y(picture.rgb))
    upscaled = imresize(imresize(y, 1 / scale), scale)
    return psnr(np.rint(np.clip(upscaled, 0, 255)), y, scale)


def document(bicubic, lines, missed, seconds, finished=True):
    """The section of the document as Markdown; `seconds` by file. It says so if the run isn't `finished`."""
    minutes = sum(seconds.values()) / 60
    drrn = sum(value for file, value in seconds.items() if "drrn" in file) / 60
    head = "| file | network | on | scale | paper | manifest | ours | difference | SSIM |"
    return "\n".join(
        [
            "```",
            "$ python -m release.reproduce FOLDER",
            "```",
            "",
            f"`paper` protocol; LR images are the benchmarks' own files. The networks ran for {minutes:.0f} minutes on",
            f"{os.cpu_count()} CPU cores (load average {os.getloadavg()[2]:.0f} at the end), DRRN for {drrn:.0f}.",
            "",
            *verdict(lines, missed, finished),
            *([] if finished else ["The run hasn't finished: rows are missing."]),
            "",
            head,
            re.sub("[^|]+", " --- ", head),
            *map(str, lines),
            "",
            "Bicubic, by MATLAB's `imresize` in both directions:",
            "",
            *bicubic,
        ]
    )


def verdict(lines, missed, finished=True):
    """Lines of text: what was missed, that nothing was missed, or that nothing was compared."""
    if missed:
        return [f"- missed: {miss}" for miss in missed]
    so_far = "" if finished else " so far"
    if not any(line.expected is not None for line in lines):
        return [f"No figure was compared{so_far}: the manifest has none."]
    return [f"No figure was missed{so_far}; the bar is {BAR} dB."]


def _figure(value):
    return "" if value is None else f"{value:.2f}"


COMMAND = Command(
    "reproduce",
    "Compares our figures of published weights with the published ones.",
    define,
    run,
    "FOLDER",
    DESCRIPTION,
)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m release.reproduce"))
