"""Published figures beside ours, for the published weights of a folder: python -m release.reproduce ../shared

The folder holds weights/MANIFEST.json, the weight files that it lists with the figures that they reach, and
images/benchmark/Set5 and Set14. Every file is measured at each of its scales, on both sets. Writes the tables into
docs/benchmarks.md; the exit code is 1 where a figure of the manifest is missed, or was not measured. DRRN takes most of
the time: 15 TFLOP per megapixel.
"""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np
from absl import app, flags

from release.kept import Kept
from wdsr_tf import images
from wdsr_tf.commands import flags as cli
from wdsr_tf.data import div2k
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import datasets as pictures
from wdsr_tf.evaluation import measure
from wdsr_tf.evaluation.metrics import psnr
from wdsr_tf.evaluation.networks import Network
from wdsr_tf.files import atomic
from wdsr_tf.images import rgb_to_y
from wdsr_tf.images.resize import imresize

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENT = REPOSITORY / "docs" / "benchmarks.md"
BEGIN, END = "<!-- release.reproduce writes from here -->", "<!-- to here -->"

SETS = {  # their pictures, in the order of their numbers
    "Set5": ["baby", "bird", "butterfly", "head", "woman"],
    "Set14": [
        *["baboon", "barbara", "bridge", "coastguard", "comic", "face", "flowers"],
        *["foreman", "lenna", "man", "monarch", "pepper", "ppt3", "zebra"],
    ],
}
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
flags.DEFINE_bool("resume", False, "Go on from where a run was stopped: what is kept of the same file is not measured.")
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
        raise InputError("one folder is named: python -m release.reproduce ../shared")
    shared = Path(argv[1])
    section(DOCUMENT)  # a document without its marks is found now, not in an hour
    entries = chosen(read_manifest(shared / "weights" / "MANIFEST.json"), FLAGS.only or ())
    kept = Kept(Path(FLAGS.kept), resume=FLAGS.resume, others=bool(FLAGS.only))
    cli.load_keras()
    bicubic, missed = bicubic_lines(shared / "images" / "benchmark")
    print("\n".join(bicubic), flush=True)
    lines = []
    for entry in entries:
        before = len(lines)
        try:
            for line in lines_of(entry, shared, kept):
                lines.append(line)
                missed += [f"{line.file} on {line.what} x{line.scale}: {line.psnr:.3f}"] if line.missed else []
                print(line, flush=True)
                if not FLAGS.only:  # now, because a run may be stopped
                    write_section(DOCUMENT, document(bicubic, lines, missed, kept.seconds, whole=False))
        except InputError as error:
            missed.append(f"{entry['file']}: {error}")
        missed += not_measured(entry, lines[before:])
    if not FLAGS.only:
        write_section(DOCUMENT, document(bicubic, lines, missed, kept.seconds))
    if kept.unhashed:
        print(f"\n{kept.unhashed} figures were kept without the sha256 of their files, which may have changed since")
    print("\n".join(["", *verdict(lines, missed)]))
    return 1 if missed else 0


def read_manifest(path):
    """The files that the manifest lists, DRRN behind the others because it is slow."""
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        for entry in files:
            bars = [value for figures in entry["y"].values() for value in figures.values()]
            if not isinstance(entry["file"], str) or not all(isinstance(bar, (int, float, str)) for bar in bars):
                raise TypeError(f"{entry['file']!r} has other figures than numbers and words")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is no manifest of weight files ({type(error).__name__}: {error})") from error
    if not files:
        raise InputError(f"{path}: lists no files")
    return sorted(files, key=lambda entry: "drrn" in entry["file"])


def chosen(entries, words):
    """The entries with one of `words` in their file's name, or all; a word that is in no name raises InputError."""
    files = [entry["file"] for entry in entries]
    for word in words:
        if not any(word in file for file in files):
            raise InputError(f"--only {word}: is in no name of the manifest, which lists {', '.join(files)}")
    return [entry for entry in entries if not words or any(word in entry["file"] for word in words)]


def lines_of(entry, shared, kept):
    """Yields the lines of a file of the manifest, which may be a folder of several."""
    paths, bars = weight_files(shared / "weights" / entry["file"]), expected(entry["y"])
    for path in paths:
        network = Network(path.relative_to(shared / "weights").as_posix(), path)
        scales = [scale for scale in network.scales if scale > 1] or network.scales
        sha256 = network.sha256
        for name, names in SETS.items():
            for scale in scales:
                given = benchmark(shared / "images" / "benchmark" / name, scale)
                what = f"{name}, JPEG {JPEG_QUALITY}" if scale == 1 else name
                figures = kept.get(f"{network.name}|{what}|x{scale}", sha256, lambda n=network, g=given: take(n, g))
                paper = PAPERS.get(entry["file"], {}).get(name, {}).get(scale)
                common = (network.name if len(paths) > 1 else entry["file"], figures["network"])
                if scale == 1:
                    row, _ = measure.measure_bicubic(given, [PROTOCOL])
                    yield Line(common[0], "its input", what, scale, *row.mean(PROTOCOL)[:2])
                ours, bar = (np.mean(figures["psnr"]), np.mean(figures["ssim"])), bars.get((name, f"x{scale}"))
                yield Line(*common, what, scale, *ours, bar, paper)
                for picture, *ours in zip(names, figures["psnr"], figures["ssim"], strict=False):
                    if bar := bars.get((f"{name} {picture}", f"x{scale}")):
                        yield Line(*common, f"{name} {picture}", scale, *ours, bar)


def not_measured(entry, lines):
    """Misses: the manifest's figures of a file beside which none of its `lines` stands."""
    compared = {(line.what.partition(",")[0], f"x{line.scale}") for line in lines if line.expected is not None}
    bars = expected(entry["y"]).items()
    return [
        f"{entry['file']} on {what} {scale}: not measured; the manifest has {bar}"
        for (what, scale), bar in bars
        if (what, scale) not in compared
    ]


def weight_files(path):
    """`path` itself; of a folder the ncnn or TensorFlow files in it, one path for each network."""
    if not path.is_dir():
        return [path]
    found = sorted(path.glob("*.param")) or sorted(path.glob("*.index"))
    if not found:
        raise InputError(f"{path}: holds neither ncnn nor TensorFlow files (.param, .index)")
    return found


def benchmark(folder, scale):
    """The set at `scale`; at x1 the HR pictures for x2, through a JPEG."""
    if scale > 1:
        return pictures.of_benchmark(folder, scale)
    pairs = [div2k.Pair(pair.name, None, pair.hr) for pair in pictures.of_benchmark(folder, 2).pairs]
    return pictures.ImagePairs(pairs, 1, {"benchmark": str(folder)}, JPEG_QUALITY)


def expected(y):
    """{(set, or set and picture; "x2" and the like): the manifest's figure}; words without figures are left out."""
    bars = {}
    for name, figures in y.items():
        for key, value in figures.items():
            if isinstance(value, str):
                each = re.findall(r"([a-z]\w*) (\d+\.\d+)", value)
                bars |= {(f"{name} {picture}", key.partition(" ")[0]): float(figure) for picture, figure in each}
            else:
                bars[name, key] = value
    return bars


def take(network, given):
    """The network's figures on the pictures, as plain values."""
    import keras

    row = measure.measure_network(network, given, [PROTOCOL])
    keras.utils.clear_session()
    psnr, ssim, _ = row.figures[PROTOCOL].T.tolist()
    return {"network": row.architecture, "psnr": psnr, "ssim": ssim, "seconds": row.seconds}


def bicubic_lines(folder):
    """(lines of a Markdown table, misses): bicubic by the papers, by us, and by us as the papers' code does it."""
    lines, missed = ["| set | scale | papers | ours | in float, gray as it is |", "| --- | --- | --- | --- | --- |"], []
    for name, figures in BICUBIC.items():
        for scale, figure in figures.items():
            given = pictures.of_benchmark(folder / name, scale)
            row, _ = measure.measure_bicubic(given, [PROTOCOL])
            ours = row.mean(PROTOCOL)[0]
            as_papers = np.mean([float_bicubic(pair.hr, scale) for pair in given.pairs])
            lines.append(f"| {name} | x{scale} | {figure:.2f} | {ours:.3f} | {as_papers:.3f} |")
            if abs(ours - figure) > BICUBIC_BAR:
                missed.append(f"bicubic on {name} x{scale}: {ours:.3f}")
    return lines, missed


def float_bicubic(path, scale):
    """Bicubic's PSNR as the code of SRCNN takes it: luma alone, rounded; LR in float; gray is luma as it is."""
    picture = images.read_picture(path)
    y = picture.rgb[..., 0].astype("float64") if picture.gray else np.rint(rgb_to_y(picture.rgb))
    upscaled = imresize(imresize(y, 1 / scale), scale)
    return psnr(np.rint(np.clip(upscaled, 0, 255)), y, scale)


def document(bicubic, lines, missed, seconds, whole=True):
    """The section of the document, as Markdown; `seconds` by file. A table that is not `whole` says so."""
    minutes = sum(seconds.values()) / 60
    drrn = sum(value for file, value in seconds.items() if "drrn" in file) / 60
    head = "| file | network | on | scale | paper | manifest | ours | difference | SSIM |"
    return "\n".join(
        [
            "```",
            "$ python -m release.reproduce ../shared",
            "```",
            "",
            f"`paper` protocol; LR are the benchmarks' own files. The networks ran for {minutes:.0f} minutes, DRRN for "
            f"{drrn:.0f} of them, on",
            f"{os.cpu_count()} CPU cores (load average {os.getloadavg()[2]:.0f} at the end).",
            "",
            *verdict(lines, missed, whole),
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


def verdict(lines, missed, whole=True):
    """Lines of text: what is missed, or that nothing is; where nothing was compared, that."""
    if missed:
        return [f"- missed: {miss}" for miss in missed]
    some = "" if whole else " of the lines so far"
    if not any(line.expected is not None for line in lines):
        return [f"No figure{some} was compared: the manifest has none."]
    return [f"No figure{some} is missed; the bar is {BAR} dB."]


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
