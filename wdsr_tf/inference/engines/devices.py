"""The device that runs a model: the CPU or a GPU, by the names that people type: `cpu`, `gpu`, `gpu:1`."""

import dataclasses
import re

from wdsr_tf.errors import InputError

AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Device:
    """A processor, by its kind and its number among those of its kind.

    Args:
        kind: "cpu", "gpu" or "auto", which leaves the choice to the engine.
        number: from 0; of GPUs only.
    """

    kind: str = AUTO
    number: int = 0

    def __str__(self):
        return f"gpu:{self.number}" if self.number else self.kind

    @property
    def is_gpu(self) -> bool:
        return self.kind == "gpu"


AUTOMATIC = Device()


def parse_device(device: "str | Device") -> Device:
    """Returns the `Device` that a text such as "gpu:1" names; raises InputError for any other text."""
    if isinstance(device, Device):
        return device
    match = re.fullmatch(r"(auto|cpu|gpu)(?::(\d{1,3}))?", str(device).strip().lower())
    if not match or (match[2] and match[1] != "gpu"):
        raise InputError(f"device must be auto, cpu, gpu, or gpu:N for the GPU of that number; it is {device!r}.")
    return Device(match[1], int(match[2] or 0))


def check_found(device: Device, found: list[str], engine: str) -> None:
    """Raises InputError unless a GPU with that number is among `found`, the names of those that the engine has."""
    if device.number >= len(found):
        listed = ", ".join(f"gpu:{number} ({name})" for number, name in enumerate(found)) or "no GPU"
        raise InputError(
            f"The engine {engine!r} has no device {device}; it found {listed}. Use another device, such as cpu, or "
            "another engine. 'wdsr-tf doctor' lists what each engine has found."
        )
