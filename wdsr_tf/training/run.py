"""A run's folder, `OUTDIR/YYYYMMDD-HHMMSS/`.

    args.txt      the settings, one `--name=value` per line: a profile that repeats the run
    state.keras   network, optimizer and history after the last finished epoch, from which the run resumes; with an
                  adversarial loss, the discriminator and its optimizer too
    models/       the checkpoints, `epoch-001-psnr-34.5394.keras`, or `epoch-0001.keras` where PSNR doesn't tell
    history.csv   a row per epoch
    curve.png     the history as an image
    log/          TensorBoard's scalars and panels
    samples/      training patches to look at, if asked for

`OUTDIR/models` is a link to the models of the newest run. Where the file system has no links, `OUTDIR/models.txt` names
them.

A run's folder may come from someone else, so what it records is checked before it's used.
"""

import contextlib
import csv
import errno
import math
import os
import re
import shutil
import time
from pathlib import Path

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic, open_lock, owned, sweep
from wdsr_tf.training import curve
from wdsr_tf.training.config import MOST_HARD

MAX_EPOCH = 10**6
MAX_ARGS = 2**20  # bytes of args.txt
HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # what systems say if another process has a lock
UNRANKED = re.compile(r"epoch-\d{4,7}(-ema)?\.keras", re.ASCII)  # names of checkpoints that PSNR doesn't rank


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
        """The checkpoint with the highest validation PSNR, of raw or averaged weights; None if there is none.

        With perceptual or adversarial losses, PSNR doesn't tell: it's the newest one, of averaged weights if there are.
        """
        found = [path for path in self.models.glob("epoch-*-psnr-*.keras") if _psnr(path) is not None]
        unranked = [path for path in self.models.glob("epoch-*.keras") if UNRANKED.fullmatch(path.name)]
        return max(found, key=_psnr, default=max(unranked, key=lambda path: path.stem, default=None))

    @property
    def history(self) -> list[dict[str, float]]:
        """A dictionary per epoch: epoch, learning_rate, loss, psnr, val_loss, val_psnr, ema_psnr, bicubic_psnr.

        `ema_psnr` is there if the weights are averaged. `bicubic_psnr` is that of bicubic on the same images.
        """
        if not self.history_file.is_file():
            return []
        with self.history_file.open(newline="", encoding="utf-8") as file:
            try:
                rows = [{name: float(text) for name, text in row.items() if text} for row in csv.DictReader(file)]
                return [row | {"epoch": int(row["epoch"])} for row in rows]
            except (ValueError, TypeError, KeyError, OverflowError, csv.Error) as error:
                raise InputError(f"{self.history_file} isn't the history of a run.") from error

    @property
    def is_linked(self) -> bool:
        """Whether `models` beside the run's folder is a link to its models: some file systems have no links."""
        return (self.folder.parent / "models").is_symlink()

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
        with owned(outdir) as aside:  # so that a kill leaves no run without settings
            unnamed = cls(aside)
            unnamed.models.mkdir(parents=True)
            unnamed.write_args(args)
            for again in range(2, 100):  # two runs may start within a second
                try:
                    aside.rename(folder)
                    break
                except OSError:
                    if not folder.exists():
                        raise
                    folder = outdir / f"{name}-{again}"
        run = cls(folder)
        run.link()
        return run

    def link(self):
        """Makes `models` beside the run's folder a link to its models, or names them in `models.txt`."""
        link = self.folder.parent / "models"
        models = Path(self.folder.name) / "models"
        try:
            with atomic(link) as temporary:
                temporary.symlink_to(models, target_is_directory=True)
        except (OSError, NotImplementedError):  # FAT, network folders, Windows without the privilege
            with atomic(link.with_suffix(".txt")) as temporary:
                temporary.write_text(f"{models.as_posix()}\n", encoding="utf-8")

    @classmethod
    def find(cls, outdir: str | os.PathLike, named: str | os.PathLike | None = None, log=None) -> "Run":
        """Returns a run to resume.

        Args:
            outdir: The folder of runs.
            named: The run's folder, or its name in `outdir`. Default: the newest run that has a state; if none has one,
                the newest run, which starts from the beginning.
            log: Is called with a line for each newer run that is passed over, and why.

        Raises:
            InputError: If there is no such run, or a folder in it leads elsewhere.
        """
        if named:
            folders = [Path(named), Path(outdir) / named]
        else:
            folders = sorted(Path(outdir).glob("[0-9]*-[0-9]*"), key=_order, reverse=True)
        runs = [cls(folder) for folder in folders if (folder / "args.txt").is_file()]
        if not runs:
            problem = f"{named} isn't a run" if named else f"there is no run in {outdir}"
            raise InputError(f"Nothing to resume: {problem}. The folder of a run has an args.txt.")
        problems = [] if named else _until("", (run.problem for run in runs))
        chosen = 0 if named or problems[-1] else len(problems) - 1
        for run, problem in zip(runs[:chosen], problems, strict=False):
            if log:
                log(f"{run.folder} can't be resumed: {problem}")
        if runs[chosen].args.stat().st_size > MAX_ARGS:
            raise InputError(f"{runs[chosen].args} isn't a file of settings: it has more than {MAX_ARGS} bytes.")
        for folder in (runs[chosen].models, runs[chosen].log):
            if folder.is_symlink():
                raise InputError(f"{folder} is a link; a run is resumed only if its folders are its own.")
        return runs[chosen]

    @property
    def problem(self) -> str:
        """Why the run can't be resumed, as a sentence; "" if it can."""
        if not self.state.is_file():
            return "it has no state, because its first epoch didn't end."
        try:
            self.facts()
        except InputError as error:
            return str(error)
        return ""

    def facts(self) -> dict:
        """Returns what the state records: `epoch`, `steps`, `steps_per_epoch`, `history`, and `random_state`.

        Raises:
            InputError: If the state is damaged.
        """
        facts = checkpoint.read_config(self.state).get("facts", {})
        check_facts(facts, self.state)
        return facts

    @contextlib.contextmanager
    def locked(self):
        """Keeps other processes from training the run; the system releases it however this process ends.

        Removes temporary files that a killed process left in the run.

        Raises:
            InputError: If another process trains it.
        """
        lock = self.folder / ".lock"
        try:
            descriptor = open_lock(lock, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise InputError(f"{lock}: can't be used as the run's lock: {error.strerror}.") from error
        with os.fdopen(descriptor, "r+b") as file:
            try:
                _lock(file)
            except OSError as error:
                if error.errno in HELD:
                    raise InputError(f"{self.folder} is being trained by another process.") from error
            for folder in (self.folder.parent, self.folder, self.models):
                sweep(folder)
            yield  # on file systems without locks, too

    def write_args(self, args):
        """Writes args.txt, one flag per line."""
        with atomic(self.args) as temporary:
            temporary.write_text("\n".join(args) + "\n", encoding="utf-8")

    def model_path(self, epoch, psnr, suffix=""):
        """Returns the path of the checkpoint for an epoch (from 1), named for its validation PSNR if that's given."""
        if psnr is None:
            return self.models / f"epoch-{epoch:04d}{suffix}.keras"
        return self.models / f"epoch-{epoch:03d}-psnr-{psnr:.4f}{suffix}.keras"

    def publish(self, path):
        """Makes the state a checkpoint at `path`: a hard link if the file system has them, else a copy.

        A discriminator stays behind: a checkpoint is a network to upscale with.
        """
        with atomic(path) as temporary:
            if checkpoint.has_discriminator(self.state):
                checkpoint.save_without_discriminator(self.state, temporary)
                return
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


def check_facts(facts, path):
    """Raises InputError if the facts of the checkpoint at `path` aren't those of a run."""
    epoch, rows = facts.get("epoch"), facts.get("history", [])
    steps = [facts[name] for name in ("steps", "steps_per_epoch") if name in facts]
    whole = type(facts.get("validation", "")) is str
    whole &= all(type(number) is int and 0 <= number <= limit for number, limit in [(epoch, MAX_EPOCH), *_steps(steps)])
    if not whole or not isinstance(rows, list) or not all(_is_row(row) for row in rows):
        raise InputError(f"{path} isn't the state of a run: its record of epochs is missing or damaged.")
    hard = facts.get("oracle", [])
    listed = isinstance(hard, list) and len(hard) <= MOST_HARD
    if not listed or not all(type(number) is int and 0 <= number < 2**53 for number in hard):
        raise InputError(f"{path} isn't the state of a run: its list of hard patches is damaged.")


def _steps(numbers):
    return [(number, 2**53) for number in numbers]


def _is_row(row):
    if not isinstance(row, dict) or type(row.get("epoch")) is not int or not 0 < row["epoch"] <= MAX_EPOCH:
        return False
    numbers = all(type(value) in (int, float) for value in row.values())
    return numbers and math.isfinite(row.get("val_psnr", math.nan)) and all(map(str.isidentifier, row))


def _until(last, values):
    """The values up to the first that equals `last`."""
    found = []
    for value in values:
        found.append(value)
        if value == last:
            break
    return found


def _lock(file):
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _psnr(checkpoint):
    """The PSNR in the name of a checkpoint, or None if it isn't a name of ours."""
    named = re.search(r"psnr-(-?\d+\.\d+)(-ema)?\.keras$", checkpoint.name, re.ASCII)
    return float(named[1]) if named else None


def _order(folder):
    """A key that sorts runs by time: 20261121-135232 before 20261121-135232-2, and that before -10."""
    return [int(number) for number in re.findall(r"\d+", folder.name)]
