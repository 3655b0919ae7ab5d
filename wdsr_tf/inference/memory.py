"""How much memory there is, how much of it a picture may take, and what that means in pixels."""

import math
import re
from pathlib import Path

import numpy as np

from wdsr_tf.errors import InputError

ENOUGH = 2**30  # bytes: on a CPU tiles of more than that are no faster
LONG = 12  # times the radius: tiles of that length and more see little beside what they keep
UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
SLACK = 1.6  # what a run takes beside its tensors: convolutions' own room, and tensors made before they are needed
EXTRA = {  # what a layer takes inside, of the sizes of what it is given and what it makes
    "Enlarge": lambda given, made: 3 * made,
    "GroupedConv2D": lambda given, made: given + made,
    "SeparableConv2D": lambda given, made: given,
    "Upsampler": lambda given, made: made,
    **dict.fromkeys(("Activation", "LeakyReLU", "PReLU"), lambda given, made: made),
}
IN_PLACE = ("Dropout", "ReLU", "Rescaling")  # where nothing else reads their input
UNKNOWN = 2 * 2**30  # taken for free where no system says


def parse(text):
    """A function from the free bytes to those that may be used, of a text such as `2GiB`, `800M` or `50%`.

    K, M, G and T are powers of 1024, with or without `iB` or `B`. Raises InputError for anything else.
    """
    text = str(text).strip()
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:(%)|([kmgt]?)(?:i?b)?)", text, re.IGNORECASE)
    amount = float(match[1]) if match else 0
    if amount <= 0 or (match[2] and amount > 100):
        raise InputError(f"memory is {text!r}; it can be a size such as 2GiB or 800MiB, or a part such as 50%")
    if match[2]:
        return lambda free: int(free * amount / 100)
    return lambda free: int(amount * UNITS[match[3].lower()])


def default(reach, free):
    """What a picture may take unless told otherwise: half of what is free, but no more than is of use.

    Of use is 1 GiB, or what a tile takes that is twelve times as long as the radius, whichever is more.
    """
    long = reach.bytes_per_pixel * (LONG * reach.radius) ** 2
    return min(free // 2, max(ENOUGH, long))


def pixels(reach, free, memory=None):
    """LR pixels that may be in the network at once: of `memory`, a text for `parse`, or of the default."""
    allowed = default(reach, free) if memory is None else parse(memory)(free)
    return max(1, allowed // reach.bytes_per_pixel)


def bytes_per_pixel(nodes, density, scale):
    """An estimate of what a network takes per LR pixel, from its graph.

    It is the most that exists at once when the nodes run in order, SLACK times as large, and the picture itself. A
    tensor exists from the node that makes it to the last that reads it. `density` gives the positions of a tensor per
    LR pixel, by its id.
    """

    def size(tensor):
        return float(density[id(tensor)]) * tensor.shape[-1] * np.dtype(tensor.dtype).itemsize

    last_use = {id(tensor): i for i, node in enumerate(nodes) for tensor in node.input_tensors}
    alive, most = {}, 0.0
    for i, node in enumerate(nodes):
        given, made = sum(map(size, node.input_tensors)), sum(map(size, node.outputs))
        ending = {id(tensor) for tensor in node.input_tensors if last_use[id(tensor)] == i}
        kind = type(node.operation).__name__
        in_place = kind in IN_PLACE and len(ending) == 1
        extra = EXTRA.get(kind, lambda given, made: 0)(given, made)
        most = max(most, sum(alive.values()) + made + extra - in_place * min(given, made))
        alive |= {id(tensor): size(tensor) for tensor in node.outputs}
        alive = {key: value for key, value in alive.items() if key not in ending}
    picture = 4 * 3 * (1 + 2 * scale**2)  # float32: LR, SR, and SR on its way to the strip
    return math.ceil(SLACK * most) + picture


def free(proc=Path("/proc"), cgroups=Path("/sys/fs/cgroup")):
    """Bytes that this process may still take: what the system has left, or less where its control group allows less."""
    return min([_system(proc), *_groups(proc, cgroups)])


def _system(proc):
    try:
        return int(re.search(r"MemAvailable:\s+(\d+) kB", (proc / "meminfo").read_text())[1]) * 1024
    except (OSError, TypeError):
        pass
    try:
        import psutil
    except ImportError:
        return UNKNOWN
    return psutil.virtual_memory().available


def _groups(proc, cgroups):
    """What each control group above this process leaves, of version 2 and of version 1."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root, names = cgroups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        own = root / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                yield _left(folder, *names)


def _left(folder, limit, used, cached):
    """The limit less what is used, except for files that are held only because there is room; no limit is infinity."""
    try:
        limit = int((folder / limit).read_text())
        used = int((folder / used).read_text())
        cached = int(re.search(rf"^{cached} (\d+)", (folder / "memory.stat").read_text(), re.MULTILINE)[1])
    except (OSError, ValueError, TypeError):  # no such group here, or "max", or no such figure
        return math.inf
    return max(0, limit - used + cached)
