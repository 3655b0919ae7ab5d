"""The work folder of one result: `.NAME.partial` beside it, with the segments that are encoded already.

A segment is a file with the packets of `LENGTH` frames, the first a key frame, from an encoder of its own. So a segment
depends on nothing but its frames, and a result is the same whether it was made at once or in several runs. Containers
round or shift time stamps, so the file has none: heads and packets follow one another, and an empty head ends them.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from wdsr_tf.errors import InputError
from wdsr_tf.files import try_lock
from wdsr_tf.video.encoding import GROUP, Encoding
from wdsr_tf.video.pyav import explained, require

LENGTH = GROUP
NOTE = "recipe.json"
SUFFIX = ".packets"
HEAD = struct.Struct("<qI?")  # of a packet: its time stamp, length, and whether it's a key frame
END = HEAD.pack(0, 0, False)
MAX_NAME = 200  # bytes of the name that the folder's is made from


@dataclasses.dataclass(frozen=True)
class Segment:
    """Encoded frames: the file, and their time stamps in order, in units of the source."""

    path: Path
    times: tuple[int, ...]


class Workspace:
    """The work folder for `target`.

    Args:
        folder: where it is.
        segments: those that are finished.
    """

    def __init__(self, folder: Path, segments: list[Segment]):
        self.folder, self.segments = folder, segments

    def write(self, encoding: Encoding, frames: Iterator) -> Segment:
        """Encodes frames, pairs of (time, PyAV frame), as the next segment; it appears when it is complete.

        Raises InputError if the encoder fails.
        """
        path = self.folder / f"{len(self.segments) + 1:06}{SUFFIX}"
        unfinished, times = path.with_suffix(".tmp"), []
        with (
            unfinished.open("wb") as file,
            explained(path, f"{encoding.codec} failed"),
            require().open(str(unfinished), "w", format="matroska") as container,  # for the encoder, never written
        ):
            stream = encoding.add_to(container)
            for time, frame in frames:
                times.append(time)
                frame.pts, frame.time_base = time, encoding.time_base
                _store(file, stream.encode(frame))
            _store(file, stream.encode(None))
            file.write(END)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        segment = Segment(path, tuple(times))
        self.segments.append(segment)
        return segment


@contextlib.contextmanager
def workspace(
    target: Path, recipe: tuple, resume: bool = False, log: Callable = lambda line: None
) -> Iterator[Workspace]:
    """Yields the `Workspace` for `target`; removes it at the end, but after an error keeps it if `resume`.

    Args:
        target: the result.
        recipe: what decides about the encoded frames; finished segments of another one aren't used.
        resume: use finished segments.
        log: called with a line about what is used.

    Raises:
        InputError: another process is making `target`.
    """
    folder = target.parent / f".{_shortened(target.name)}.partial"
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if try_lock(lock) is False:
            raise InputError(f"{target}: another process is making it.")
        segments = _prepared(folder, recipe, resume, log)
        is_kept = False
        try:
            yield Workspace(folder, segments)
        except BaseException:
            is_kept = resume and bool(segments)
            raise
        finally:
            if not is_kept:
                _remove(folder)
    finally:
        os.close(lock)
        if os.name == "nt" and not (folder / NOTE).exists():  # there, an open lock couldn't be removed
            shutil.rmtree(folder, ignore_errors=True)


def _remove(folder):
    (folder / NOTE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _prepared(folder, recipe, resume, log):
    """The finished segments, if they may be used; all else is removed."""
    note, text = folder / NOTE, json.dumps(recipe, sort_keys=True, default=str)
    known = note.read_text(encoding="utf-8") if note.is_file() else None
    segments = []
    if known == text and resume:
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            times = _times(path)
            if not times or path.stem != f"{len(segments) + 1:06}":
                break
            segments.append(Segment(path, times))
        if segments:
            log(f"Continuing after {sum(len(segment.times) for segment in segments)} finished frames.")
    elif known is not None:
        why = "the video, model, engine or an option changed" if known != text else "pass --resume to continue it"
        log(f"Starting over what an earlier run left unfinished: {why}.")
    kept = {segment.path for segment in segments}
    for path in folder.iterdir():
        if path.name != "lock" and path not in kept:
            path.unlink()
    note.write_text(text, encoding="utf-8")
    return segments


def _times(path):
    """The time stamps in a segment, in order."""
    with contextlib.suppress(InputError, OSError):
        return tuple(sorted(time for time, _, _ in packets(path)))
    return ()


def _store(file, packets):
    for packet in packets:
        content = bytes(packet)
        file.write(HEAD.pack(packet.pts, len(content), packet.is_keyframe))
        file.write(content)


def packets(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Yields (time stamp, content, whether it's a key frame) of a segment's packets; InputError if it's damaged."""
    with path.open("rb") as file:
        while (head := file.read(HEAD.size)) != END:
            if len(head) < HEAD.size:
                raise InputError(f"{path}: ends too early. Remove it.")
            time, length, is_key = HEAD.unpack(head)
            yield time, file.read(length), is_key


def _shortened(name):
    while len(os.fsencode(name)) > MAX_NAME:
        name = name[:-1]
    return name
