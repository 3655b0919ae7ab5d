"""Figures that a long run keeps one by one, so that it may be stopped and go on."""

import json

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic


class Kept:
    """Figures by file, set and scale, in the JSON file `path`.

    With `resume` figures of the same weight file are not taken again; without, they are, and what is not taken again
    stays in the file where `others` says so. Figures that were kept before their weight file's sha256 was are taken for
    its own, and counted in `unhashed`.
    """

    def __init__(self, path, *, resume, others=False):
        self.path, self.resume = path, resume
        self.figures = _read(path) if (resume or others) and path.is_file() else {}
        self.used = {}
        self.unhashed = 0

    def get(self, key, sha256, take):
        """What is kept under `key` of the weight file with that hash, or else what `take()` returns: plain values."""
        kept = self.figures.get(key) if self.resume else None
        if kept is None or kept.get("sha256", sha256) != sha256:
            kept = self.figures[key] = take() | {"sha256": sha256}
            with atomic(self.path) as temporary:
                temporary.write_text(json.dumps(self.figures, indent=1), encoding="utf-8")
        self.unhashed += "sha256" not in kept
        self.used[key] = kept
        return kept

    @property
    def seconds(self):
        """{file: seconds in the network, over the sets and scales that were asked for}."""
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
            if not isinstance(each["network"], str) or not all(isinstance(number, (int, float)) for number in numbers):
                raise TypeError(f"{key} has figures that are no numbers")
            if not len(each["psnr"]) == len(each["ssim"]) > 0:
                raise ValueError(f"{key} has {len(each['psnr'])} PSNR and {len(each['ssim'])} SSIM")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: holds no figures of an earlier run ({type(error).__name__}: {error}); remove it, or name another "
            "file with --kept"
        ) from error
    return figures
