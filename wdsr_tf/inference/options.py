"""How the images of a folder are upscaled: what one process tells another."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wdsr_tf.inference.journal import Journal, new_run
from wdsr_tf.inference.upscaler import Upscaler


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Everything that `upscale_one` needs besides an image. Plain values: a copy can be pickled.

    A process opens the models and its journal when it first needs them, and the copy that it was sent opens its own.
    Close the journal with `contextlib.closing(options.journal)`.

    Args:
        outdir: output folder, which has the journals.
        indir: input folder, by which records name images. Default: the current folder.
        settings: the arguments of `Upscaler`, without `log`.
        overwrite: replace files that aren't recorded as results, or were changed since.
        check: compare each result with its image; what is wrong is in the record.
        run: identifies the run in records; all its processes have the same.
        log: as for `Upscaler`; copies that are pickled have none.
    """

    outdir: Path
    indir: Path | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    overwrite: bool = False
    check: bool = False
    run: str = dataclasses.field(default_factory=new_run)
    log: Callable[[str], None] | None = None

    @functools.cached_property
    def upscaler(self) -> Upscaler:
        """The `Upscaler` of this process."""
        return Upscaler(**self.settings, log=self.log)

    @functools.cached_property
    def journal(self) -> Journal:
        """The `Journal` that this process writes."""
        return Journal(self.outdir, self.run)

    def __getstate__(self):
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)} | {"log": None}
