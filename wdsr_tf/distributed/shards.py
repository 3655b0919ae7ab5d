"""Shards: each of N processes that know nothing of each other takes its share of the images."""

import dataclasses
import hashlib
import os
import re
from pathlib import PurePath

from wdsr_tf.errors import InputError


@dataclasses.dataclass(frozen=True)
class Shard:
    """One of `count` shares of a folder, from 0. An image's path in the folder decides, whatever else is there."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str | None) -> "Shard":
        """Returns the shard "3/64"; everything for None."""
        if text is None:
            return cls()
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        if not found or int(found[1]) >= int(found[2]):
            raise InputError(f"--shard takes I/N, with I from 0 to N-1, such as 0/4 for the first of 4; not {text!r}.")
        return cls(int(found[1]), int(found[2]))

    def has(self, path: PurePath) -> bool:
        """Whether an image belongs to this shard; `path` is that in its folder."""
        return self.index_of(path, self.count) == self.index

    @staticmethod
    def index_of(path: PurePath, count: int) -> int:
        """Returns which of `count` shards an image belongs to."""
        digest = hashlib.sha256(os.fsencode(path.as_posix())).digest()
        return int.from_bytes(digest[:8], "big") % count

    def __str__(self):
        return f"{self.index}/{self.count}"
