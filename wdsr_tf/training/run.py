"""A run's directory, `OUTDIR/YYYYMMDD-HHMMSS/`.

    args.txt      every flag of the run, one `--name=value` a line: a profile that replays it
    state.keras   network, optimizer and history after the last finished epoch: what --resume continues from
    models/       the ranked checkpoints, `epoch-001-psnr-34.5394.keras`
    history.csv   a row per epoch
    curve.png     the same, drawn
    log/          TensorBoard's scalars and panels

`OUTDIR/models` is a link to the newest run's models.
"""

import csv
import os
import re
import shutil
import time
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic
from wdsr_tf.training import curve


class Run:
    """Where one run keeps what it writes."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.args = self.folder / "args.txt"
        self.state = self.folder / "state.keras"
        self.models = self.folder / "models"
        self.history = self.folder / "history.csv"
        self.curve = self.folder / "curve.png"
        self.log = self.folder / "log"

    @classmethod
    def start(cls, outdir, args):
        """Makes a new run under `outdir`, writes its flags and lets `outdir/models` point at it."""
        outdir = Path(outdir)
        link = outdir / "models"
        if link.exists() and not link.is_symlink():
            raise InputError(f"{link} is in the way: it should be a link to the newest run's models; move it elsewhere")
        outdir.mkdir(parents=True, exist_ok=True)
        name = time.strftime("%Y%m%d-%H%M%S")
        folder = outdir / name
        for again in range(2, 100):  # two runs may start within a second
            try:
                folder.mkdir()
                break
            except FileExistsError:
                folder = outdir / f"{name}-{again}"
        run = cls(folder)
        run.models.mkdir()
        run.write_args(args)
        with atomic(link) as temporary:
            temporary.symlink_to(Path(folder.name) / "models", target_is_directory=True)
        return run

    @classmethod
    def find(cls, outdir, named=None):
        """The run of that folder or name, or the newest one under `outdir`."""
        if named:
            candidates = [Path(named), Path(outdir) / named]
        else:
            candidates = sorted(Path(outdir).glob("[0-9]*-[0-9]*"), key=_order, reverse=True)
        for folder in candidates:
            if (folder / "args.txt").is_file():
                return cls(folder)
        what = f"{named} is not a run" if named else f"there is no run under {outdir}"
        raise InputError(f"nothing to resume: {what} (a run's folder holds an args.txt)")

    def write_args(self, args):
        """Writes args.txt, a flag a line."""
        with atomic(self.args) as temporary:
            temporary.write_text("\n".join(args) + "\n", encoding="utf-8")

    def model_path(self, epoch, psnr, suffix=""):
        """The ranked checkpoint's name: what it reached and when."""
        return self.models / f"epoch-{epoch:03d}-psnr-{psnr:.4f}{suffix}.keras"

    def publish(self, epoch, psnr):
        """Makes the state a ranked checkpoint; by a hard link where the file system has them, so nothing is copied."""
        with atomic(self.model_path(epoch, psnr)) as temporary:
            try:
                os.link(self.state, temporary)
            except OSError:
                shutil.copyfile(self.state, temporary)

    def write_history(self, rows):
        """Writes history.csv, a row per epoch, columns in the order of their first appearance, and draws it."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with atomic(self.history) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        with atomic(self.curve) as temporary:
            curve.draw(rows).save(temporary)


def _order(folder):
    """What sorts runs by time: 20261121-135232 comes before 20261121-135232-2, and that before -10."""
    return [int(number) for number in re.findall(r"\d+", folder.name)]
