"""Videos in the journal of an output folder: which are done, and how one is made and recorded."""

import contextlib
import os
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import sha256
from wdsr_tf.inference.journal import Record, State, options_hash
from wdsr_tf.video.upscale import cause, plan, upscale_video


def state(upscaler, journal, source, target, options) -> State:
    """Returns the `State` of the file at `target`, if the video `source` is to be upscaled to it."""
    found = None
    if os.path.lexists(target):
        with contextlib.suppress(InputError, OSError):  # reported when it's made
            found = cause_of(upscaler, source, target, options)
    return journal.state(target, found)


def cause_of(upscaler, source, target, options) -> tuple:
    """Returns the `Record.cause` of the result at `target` for the video `source`; raises as `plan` does."""
    return _hashed(cause(upscaler, plan(upscaler, source, target, options)))


def upscale_one(upscaler, journal, source, target, name, options, *, overwrite=False, **how) -> Record:
    """Upscales the video `source` to `target` and returns the `Record`, which is in the journal then.

    Args:
        upscaler: an `Upscaler`.
        journal: the `Journal` of the output folder.
        source: a video.
        target: where its result goes, in the output folder.
        name: of the source, for the record: its path in the input folder.
        options: `VideoOptions`.
        overwrite: replace a file that isn't recorded as a result, or was changed since.
        how: `resume`, `progress`, and `log` of `upscale_video`.

    Raises:
        InputError: as `upscale_video`, or `target` would be replaced.
    """
    made = []

    def record(finished: Path, result, origin):
        if not overwrite and journal.state(target) is State.FOREIGN:
            raise InputError(f"{target}: exists and isn't a result of this command, so it isn't replaced.")
        made.append(
            Record(journal.name(target), sha256(finished), name, *_hashed(origin), result.pixels, result.seconds)
        )
        journal.add(made[0])

    upscale_video(upscaler, source, target, options, before_naming=record, **how)
    return made[0]


def _hashed(origin):
    checksum, models, options = origin
    return checksum, models, options_hash(options)
