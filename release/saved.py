"""Figures that a long run saves one by one, so that it can be stopped and resumed."""

import json

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic


class SavedFigures:
    """Figures by weights file, benchmark and scale, in a JSON file.

    Args:
        path: the JSON file.
        resume: reuse the saved figures of weights files that haven't changed.
        others: without `resume`, keep the saved figures that this run doesn't measure.
    """

    def __init__(self, path, *, resume, others=False):
        self.path, self.resume = path, resume
        self.figures = _read(path) if (resume or others) and path.is_file() else {}
        self.used = {}

    def get(self, key, sha256, measure):
        """Returns what is saved under `key` for a weights file with this hash; else saves what `measure()` returns."""
        saved = self.figures.get(key) if self.resume else None
        if saved is None or saved["sha256"] != sha256:
            saved = self.figures[key] = measure() | {"sha256": sha256}
            with atomic(self.path) as temporary:
                temporary.write_text(json.dumps(self.figures, indent=1), encoding="utf-8")
        self.used[key] = saved
        return saved

    @property
    def seconds(self):
        """{weights file: seconds in the network over all benchmarks and scales of this run}."""
        total = {}
        for key, figures in self.used.items():
            file = key.split("|")[0]
            total[file] = total.get(file, 0) + figures["seconds"]
        return total


def _read(path):
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        for key, each in figures.items():
            numbers = [each["seconds"], *each["psnr"], *each["ssim"]]
            if not all(isinstance(each[text], str) for text in ("network", "sha256")):
                raise TypeError(f"{key} lacks the name of its network, or the hash of its file")
            if not all(isinstance(number, (int, float)) for number in numbers):
                raise TypeError(f"{key} has figures that aren't numbers")
            if not len(each["psnr"]) == len(each["ssim"]) > 0:
                raise ValueError(f"{key} has {len(each['psnr'])} PSNR and {len(each['ssim'])} SSIM")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} doesn't contain figures of an earlier run ({type(error).__name__}: {error}). Remove it, or name "
            "another file with --saved."
        ) from error
    return figures
