"""Opens files with PyAV, an optional package, and turns its errors into sentences."""

import contextlib
import os

from wdsr_tf.errors import InputError
from wdsr_tf.system import extras


def require():
    """Returns the module `av`; InputError if it isn't installed."""
    if not is_installed():
        raise missing()
    os.environ.setdefault("SVT_LOG", "1")  # libsvtav1 prints on its own: errors only
    import av

    return av


def is_installed() -> bool:
    """Whether videos can be upscaled."""
    return extras.is_installed("av")


def missing() -> InputError:
    """Returns the error that says how to install PyAV."""
    return extras.missing("av", "video", "Upscaling a video")


@contextlib.contextmanager
def explained(path, what="can't be read"):
    """Turns an error of FFmpeg into an InputError: `film.mp4: can't be read: Invalid data found ...`."""
    av = require()
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise InputError(f"{path}: {what}: {error.strerror or error}.") from error


@contextlib.contextmanager
def opened(path):
    """Yields the file at `path`, opened for reading."""
    av = require()
    with explained(path):
        container = av.open(str(path), metadata_errors="replace")
    with container:
        yield container


def demuxed(container, *streams, damaged=lambda: None):
    """Yields the packets of streams, up to the end or to damage that hides the rest; then calls `damaged`."""
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except ValueError:  # av.error.InvalidDataError
            damaged()
            return
        if packet.size:
            yield packet
