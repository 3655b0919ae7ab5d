"""Published figures beside ours, for the published weights of a folder: python -m benchmarks.reproduce ../shared

The folder holds weights/MANIFEST.json, the weight files that it lists with the figures that they reach, and
images/benchmark/Set5 and Set14. Every file is measured at each of its scales, on both sets. Writes the tables into
docs/benchmarks.md; the exit code is 1 where a figure is missed. DRRN takes most of the time: 15 TFLOP per megapixel.
"""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
from absl import app, flags

from wdsr_tf import cli, images
from wdsr_tf.benchmark import measure, memory, pictures
from wdsr_tf.benchmark.networks import Network
from wdsr_tf.data import div2k
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.images import rgb_to_y
from wdsr_tf.metrics import psnr
from wdsr_tf.resize import imresize

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"
BEGIN, END = "<!-- benchmarks.reproduce writes from here -->", "<!-- to here -->"

SETS = ("Set5", "Set14")
SET5 = ("baby", "bird", "butterfly", "head", "woman")  # its pictures, in the order of their numbers
PROTOCOL = "paper"
BAR, BICUBIC_BAR = 0.02, 0.1  # dB
JPEG_QUALITY = 80  # of what networks of scale 1 are given, which take noise away; one of Set5 has been a JPEG of 75
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

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("only", None, "Measure files with this in their name alone, and leave the document as it is.")
flags.DEFINE_bool("resume", False, "Go on from where a run was stopped.")
flags.DEFINE_string("kept", str(REPOSITORY / "build" / "reproduce.json"), "Where a run keeps what it has measured.")


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the table.

    Attributes:
        file, network: whose weights, and what of.
        what: the set, and the picture where the figure is of one.
        scale: the factor.
        psnr, ssim: ours.
        expected: the manifest's figure, or None.
        paper: the paper's figure, or None.
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
        """Whether the manifest's figure is not reached, or passed, by more than the bar."""
        return self.expected is not None and round(abs(self.psnr - self.expected), 3) > BAR

    def __str__(self):
        """The line in Markdown."""
        difference = "" if self.expected is None else f"{self.psnr - self.expected:+.3f}"
        cells = (self.file, self.network, self.what, f"x{self.scale}", _figure(self.paper), _figure(self.expected))
        return f"| {' | '.join([*cells, f'{self.psnr:.3f}', difference, f'{self.ssim:.4f}'])} |"


def main(argv):
    if len(argv) != 2:
        raise InputError("one folder is named: python -m benchmarks.reproduce ../shared")
    shared = Path(argv[1])
    section(DOCUMENT)  # a document without its marks is found now, not in an hour
    manifest = read_manifest(shared / "weights" / "MANIFEST.json")
    cli.load_keras()
    bicubic, missed = bicubic_lines(shared / "images" / "benchmark")
    print("\n".join(bicubic), flush=True)
    measured, lines = Kept(Path(FLAGS.kept), FLAGS.resume), []
    for entry in manifest:
        if FLAGS.only and not any(word in entry["file"] for word in FLAGS.only):
            continue
        try:
            for line in lines_of(entry, shared, measured):
                lines.append(line)
                missed += [f"{line.file} on {line.what} x{line.scale}: {line.psnr:.3f}"] if line.missed else []
                print(line, flush=True)
                if not FLAGS.only:  # now, because a run may be stopped
                    write_section(DOCUMENT, document(bicubic, lines, missed, measured.seconds, whole=False))
        except InputError as error:
            missed.append(f"{entry['file']}: {error}")
    if not FLAGS.only:
        write_section(DOCUMENT, document(bicubic, lines, missed, measured.seconds))
    print("\n".join(["", *(f"missed: {miss}" for miss in missed)] if missed else ["", "no figure is missed"]))
    return 1 if missed else 0


class Kept:
    """Figures by file, set and scale, written to `path` one by one, so that a run of an hour may be stopped."""

    def __init__(self, path, resume):
        self.path = path
        self.figures = json.loads(path.read_text(encoding="utf-8")) if resume and path.is_file() else {}

    def get(self, key, take):
        """What is kept under `key`, or else what `take()` returns: plain values."""
        if key not in self.figures:
            self.figures[key] = take()
            with atomic(self.path) as temporary:
                temporary.write_text(json.dumps(self.figures, indent=1), encoding="utf-8")
        return self.figures[key]

    @property
    def seconds(self):
        """{file: seconds in the network, over sets and scales}."""
        total = {}
        for key, figures in self.figures.items():
            file = key.split("|")[0]
            total[file] = total.get(file, 0) + figures["seconds"]
        return total


def read_manifest(path):
    """The files that the manifest lists, DRRN behind the others because it is slow."""
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: is no manifest of weight files ({error})") from error
    return sorted(files, key=lambda entry: "drrn" in entry["file"])


def lines_of(entry, shared, measured):
    """Yields the lines of a file of the manifest, which may be a folder of several."""
    paths = weight_files(shared / "weights" / entry["file"])
    for path in paths:
        network = Network(path.relative_to(shared / "weights").as_posix(), path)
        scales = [scale for scale in network.scales if scale > 1] or network.scales
        for name in SETS:
            for scale in scales:
                given = benchmark(shared / "images" / "benchmark" / name, scale)
                what = f"{name}, JPEG {JPEG_QUALITY}" if scale == 1 else name
                figures = measured.get(f"{network.name}|{what}|x{scale}", lambda n=network, g=given: take(n, g))
                paper = PAPERS.get(entry["file"], {}).get(name, {}).get(scale)
                mean, each = expected(entry["y"].get(name, {}), scale)
                common = (network.name if len(paths) > 1 else entry["file"], figures["network"])
                if scale == 1:
                    row, _ = measure.measure_bicubic(given, [PROTOCOL], unwatched)
                    yield Line(common[0], "its input", what, scale, *row.mean(PROTOCOL)[:2])
                yield Line(*common, what, scale, np.mean(figures["psnr"]), np.mean(figures["ssim"]), mean, paper)
                for picture, figure in each.items():
                    i = SET5.index(picture)
                    yield Line(*common, f"{name} {picture}", scale, figures["psnr"][i], figures["ssim"][i], figure)


def weight_files(path):
    """`path` itself; of a folder the ncnn or TensorFlow files in it, one path for each network."""
    if not path.is_dir():
        return [path]
    return sorted(path.glob("*.param")) or sorted(path.glob("*.index"))


def benchmark(folder, scale):
    """The set at `scale`; at x1 the HR pictures for x2, through a JPEG."""
    if scale > 1:
        return pictures.of_benchmark(folder, scale)
    pairs = [div2k.Pair(pair.name, None, pair.hr) for pair in pictures.of_benchmark(folder, 2).pairs]
    return pictures.Pictures(pairs, 1, {"benchmark": str(folder)}, JPEG_QUALITY)


def expected(figures, scale):
    """(the manifest's mean at `scale` or None, {picture: its figure}); other words have no bar."""
    mean, each = None, {}
    for key, value in figures.items():
        if re.match(rf"x{scale}\b", key):
            if isinstance(value, str):
                each |= {name: float(figure) for name, figure in re.findall(r"([a-z]+) (\d+\.\d+)", value)}
            else:
                mean = value
    return mean, each


def take(network, given):
    """The network's figures on the pictures, as plain values."""
    import keras

    from wdsr_tf.inference.upscale import upscale

    memory.reset_peak()
    model = network.load(given.scale)
    row = measure.measure(network.name, lambda lr: upscale(model, lr), given, [PROTOCOL], unwatched)
    keras.utils.clear_session()
    per_picture = row.figures[PROTOCOL][:, :2].T.tolist()
    return {"network": model.architecture, "psnr": per_picture[0], "ssim": per_picture[1], "seconds": row.seconds}


def unwatched(samples, name):
    """Shows no progress: each line says it."""
    return samples


def bicubic_lines(folder):
    """(lines of a Markdown table, misses): bicubic by the papers, by us, and by us as the papers' code does it."""
    lines, missed = ["| set | scale | papers | ours | in float, grey as it is |", "| --- | --- | --- | --- | --- |"], []
    for name, figures in BICUBIC.items():
        for scale, figure in figures.items():
            given = pictures.of_benchmark(folder / name, scale)
            row, _ = measure.measure_bicubic(given, [PROTOCOL], unwatched)
            ours = row.mean(PROTOCOL)[0]
            as_papers = np.mean([float_bicubic(pair.hr, scale) for pair in given.pairs])
            lines.append(f"| {name} | x{scale} | {figure:.2f} | {ours:.3f} | {as_papers:.3f} |")
            if abs(ours - figure) > BICUBIC_BAR:
                missed.append(f"bicubic on {name} x{scale}: {ours:.3f}")
    return lines, missed


def float_bicubic(path, scale):
    """Bicubic's PSNR as the code of SRCNN takes it: luma alone, rounded; LR in float; grey is luma as it is."""
    picture = images.read_picture(path)
    y = picture.rgb[..., 0].astype("float64") if picture.grey else np.rint(rgb_to_y(picture.rgb))
    enlarged = imresize(imresize(y, 1 / scale), scale)
    return psnr(np.rint(np.clip(enlarged, 0, 255)), y, scale)


def document(bicubic, lines, missed, seconds, whole=True):
    """The section of the document, as Markdown; `seconds` by file. A table that is not `whole` says so."""
    minutes = sum(seconds.values()) / 60
    drrn = sum(value for file, value in seconds.items() if "drrn" in file) / 60
    head = "| file | network | on | scale | paper | manifest | ours | difference | SSIM |"
    listed = [f"- missed: {miss}" for miss in missed] or [f"No figure is missed; the bar is {BAR} dB."]
    return "\n".join(
        [
            "```",
            "$ python -m benchmarks.reproduce ../shared",
            "```",
            "",
            f"`paper` protocol; LR are the benchmarks' own files. The networks ran for {minutes:.0f} minutes, DRRN for "
            f"{drrn:.0f} of them, on",
            f"{os.cpu_count()} CPU cores (load average {os.getloadavg()[2]:.0f} at the end).",
            "",
            *listed,
            *([] if whole else ["The run has not finished: further lines are missing."]),
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


def section(path):
    """The parts of the document before, between and behind the marks."""
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InputError(f"{path}: the lines {BEGIN} and {END}, between which the tables go, are not there once")
    before, _, rest = text.partition(BEGIN)
    between, _, behind = rest.partition(END)
    return before, between, behind


def write_section(path, text):
    """Puts `text` between the marks of the document."""
    before, _, behind = section(path)
    with atomic(path) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{behind}", encoding="utf-8")


def _figure(value):
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
