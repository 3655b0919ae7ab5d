"""Which networks are ranked: checkpoints in a folder, and files that are named."""

import dataclasses
import hashlib
from pathlib import Path

from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation.measure import reason

BICUBIC = "bicubic"  # the row beside the networks, whose name none of them can have
STATE = "state.keras"  # what a run resumes from: the twin of a checkpoint that is ranked already


@dataclasses.dataclass(frozen=True)
class Network:
    """A network in a file, under the name that tables call it: a checkpoint, or published weights."""

    name: str
    path: Path

    @property
    def is_checkpoint(self):
        """Whether the file is one of ours, by its suffix."""
        return self.path.suffix == ".keras"

    @property
    def scales(self):
        """The scales that it can be loaded for, sorted."""
        if self.is_checkpoint:
            return (checkpoint.read_config(self.path)["scale"],)
        from wdsr_tf.importers import formats, recognize

        candidates = recognize.recognize(formats.read(self.path).arrays)
        return tuple(sorted({scale for candidate in candidates for scale in candidate.scales}))

    @property
    def sha256(self):
        """Of the file, or of all files that hold the weights together."""
        if self.is_checkpoint:
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        from wdsr_tf.importers import formats

        return formats.read(self.path).sha256

    def load(self, scale):
        """The network for one of its scales."""
        if self.is_checkpoint:
            return checkpoint.load(self.path)
        from wdsr_tf.importers import formats, recognize
        from wdsr_tf.importers.import_weights import import_weights

        source = formats.read(self.path)
        fitting = recognize.recognize(source.arrays)
        try:
            chosen = recognize.choose(fitting, scale=scale)
        except InputError as error:
            raise InputError(f"{error}\nconvert.py takes these flags, and makes a checkpoint of the file") from error
        return import_weights(source, chosen)


def find(path):
    """The checkpoint at `path`, or those below it, sorted; hidden files and the states of runs are left out."""
    path = Path(path)
    if path.is_file():
        return [Network(str(path), path)]
    if not path.is_dir():
        raise InputError(f"{path}: there is no such file or folder; train a network first, or name one with -i")
    found = sorted(p for p in path.rglob("*.keras") if not p.name.startswith(".") and p.name != STATE)
    if not found:
        raise InputError(f"{path}: holds no checkpoints (.keras)")
    return [Network(str(file), file) for file in found]


def named(words):
    """The networks of words `NAME=FILE`."""
    networks = {}
    for word in words:
        name, equals, file = word.partition("=")
        if not (name and equals and file):
            raise InputError(f"--models takes NAME=FILE, such as carn=carn.pth, not {word!r}")
        if name == BICUBIC:
            raise InputError(f"--models {word}: {name!r} is the row to compare with; choose another name")
        if name in networks:
            raise InputError(f"--models names {name!r} twice: {networks[name].path} and {file}")
        if not Path(file).exists():
            raise InputError(f"--models {word}: there is no file {file}")
        networks[name] = Network(name, Path(file))
    return list(networks.values())


def of_one_scale(networks, scale=None):
    """What of `networks` can be ranked together: (networks, their scale, {name: why not}).

    Without `scale` there has to be one that all of them have, because figures at different scales cannot be compared.
    """
    scales, failed = {}, {}
    for network in networks:
        try:
            scales[network] = network.scales
        except InputError as error:
            failed[network.name] = reason(error, network.path)
    if scale is None and scales:
        common = set.intersection(*map(set, scales.values()))
        if len(common) != 1:
            each = "".join(f"\n  {_listed(own)} {network.name}" for network, own in scales.items())
            raise InputError(f"networks can be ranked together at one scale only; choose with --scale among{each}")
        scale = common.pop()
    failed |= {
        network.name: f"is {_listed(own)}, but --scale is {scale}"
        for network, own in scales.items()
        if scale not in own
    }
    return [network for network, own in scales.items() if scale in own], scale, failed


def _listed(scales):
    return ", ".join(f"x{scale}" for scale in scales)
