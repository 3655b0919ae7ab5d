"""A run's folder, `OUTDIR/YYYYMMDD-HHMMSS/`.

    args.txt      the settings, one `--name=value` per line: a profile that repeats the run
    state.keras   network, optimizer and history after the last finished epoch, from which the run resumes
    models/       the checkpoints, `epoch-001-psnr-34.5394.keras`
    history.csv   a row per epoch
    curve.png     the history as an image
    log/          TensorBoard's scalars and panels

`OUTDIR/models` is a link to the models of the newest run.
"""

import csv
import os
import re
import shutil
import time
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, sweep
from wdsr_tf.training import curve


class Run:
    """A training run on disk.

    Attributes:
        folder: The run's folder.
        models: The folder of its checkpoints.
        args, state, history_file, curve, log: The other paths in the folder.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.args = self.folder / "args.txt"
        self.state = self.folder / "state.keras"
        self.models = self.folder / "models"
        self.history_file = self.folder / "history.csv"
        self.curve = self.folder / "curve.png"
        self.log = self.folder / "log"

    def __repr__(self):
        return f"Run({str(self.folder)!r})"

    @property
    def best(self) -> Path | None:
        """The checkpoint with the highest validation PSNR, of raw or averaged weights; None if there is none."""
        return max(self.models.glob("epoch-*-psnr-*.keras"), key=_psnr, default=None)

    @property
    def history(self) -> list[dict[str, float]]:
        """A dictionary per epoch: epoch, learning_rate, loss, psnr, val_loss, val_psnr, and ema_psnr if averaged."""
        if not self.history_file.is_file():
            return []
        with self.history_file.open(newline="", encoding="utf-8") as file:
            rows = [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]
        return [row | {"epoch": int(row["epoch"])} for row in rows]

    @classmethod
    def start(cls, outdir: str | os.PathLike, args: list[str]) -> "Run":
        """Makes a new run in `outdir`, writes the lines `args` to its args.txt, and links `outdir/models` to it."""
        outdir = Path(outdir)
        link = outdir / "models"
        if link.exists() and not link.is_symlink():
            raise InputError(f"{link} is in the way of the link to the newest run's models. Move it elsewhere.")
        outdir.mkdir(parents=True, exist_ok=True)
        sweep(outdir)
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
    def find(cls, outdir: str | os.PathLike, named: str | os.PathLike | None = None) -> "Run":
        """Returns the run in the folder `named` or of that name in `outdir`, or the newest run in `outdir`.

        Raises:
            InputError: If there is no such run.
        """
        if named:
            candidates = [Path(named), Path(outdir) / named]
        else:
            candidates = sorted(Path(outdir).glob("[0-9]*-[0-9]*"), key=_order, reverse=True)
        for folder in candidates:
            if (folder / "args.txt").is_file():
                run = cls(folder)
                for left in (outdir, run.folder, run.models):
                    sweep(left)
                return run
        problem = f"{named} isn't a run" if named else f"there is no run in {outdir}"
        raise InputError(f"Nothing to resume: {problem}. The folder of a run has an args.txt.")

    def write_args(self, args):
        """Writes args.txt, one flag per line."""
        with atomic(self.args) as temporary:
            temporary.write_text("\n".join(args) + "\n", encoding="utf-8")

    def model_path(self, epoch, psnr, suffix=""):
        """Returns the path of the checkpoint for an epoch (from 1) with this validation PSNR."""
        return self.models / f"epoch-{epoch:03d}-psnr-{psnr:.4f}{suffix}.keras"

    def publish(self, epoch, psnr):
        """Makes the state a checkpoint: a hard link if the file system has them, else a copy."""
        with atomic(self.model_path(epoch, psnr)) as temporary:
            try:
                os.link(self.state, temporary)
            except OSError:
                shutil.copyfile(self.state, temporary)

    def write_history(self, rows):
        """Writes history.csv, with columns in the order of their first appearance, and draws curve.png."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with atomic(self.history_file) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        with atomic(self.curve) as temporary:
            curve.draw(rows).save(temporary)


def _psnr(checkpoint):
    return float(re.search(r"psnr-(-?[\d.]+\d)", checkpoint.name)[1])


def _order(folder):
    """A key that sorts runs by time: 20261121-135232 before 20261121-135232-2, and that before -10."""
    return [int(number) for number in re.findall(r"\d+", folder.name)]
