"""The flags for models that are named by URL, and their downloads with a progress bar."""

from wdsr_tf.errors import InputError
from wdsr_tf.system.terminal import one_line


def define(flags, model):
    """Defines --sha256 and --max-download; `model` is the flag that names the model, as help shows it."""
    flags.string("sha256", None, f"Refuse the file of {model} unless it has this SHA-256.")
    flags.number("max_download", 2, "Refuse to download larger models, in GiB.", minimum=0)


def fetched(model, flags, sha256=None):
    """Downloads the model if it's a URL that isn't in the cache yet.

    Returns:
        The model: a path as it is, a URL with the SHA-256 that was given, if any.
    """
    from wdsr_tf.importers.download import local, pinned

    if sha256 and model is None:
        raise InputError("--sha256 needs a model's file or URL to check.")
    if model is not None:
        with _Bar() as bar:
            local(model, sha256=sha256, max_bytes=round(flags.max_download * 2**30), progress=bar)
    return pinned(model, sha256)


class _Bar:
    """Shows on stderr how much of a file has arrived."""

    def __init__(self):
        self._name = self._bar = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()

    def __call__(self, name, done, total):
        from tqdm import tqdm

        if name != self._name:
            self.__exit__()
            self._name = name
            self._bar = tqdm(desc=one_line(name), total=total, unit="B", unit_scale=True, unit_divisor=1024)
        self._bar.update(done - self._bar.n)
