"""A URL in place of a file name: the file is downloaded once, into the user's cache folder.

    https://host/file.pth                   fetched by `system.http`, and http:// too
    hf://user/repo/path/file                fetched by huggingface_hub if it's installed; also hf://user/repo@revision/...
    https://host/file.pth#sha256=0123...    refused unless the file has this SHA-256

The files that a format keeps beside the one that is named, such as ncnn's `.bin`, are fetched from the same place.
"""

import functools
import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from wdsr_tf import files
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import limits, mistaken
from wdsr_tf.system import caches, http
from wdsr_tf.system.http import shown

MAX_BYTES = 2 * 2**30
SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  # Windows' names of devices

Progress = Callable[[str, int, int | None], None]


def is_url(model: object) -> bool:
    """Whether `model` is text that starts like a URL."""
    return isinstance(model, str) and SCHEME.match(model) is not None


def pinned(model: str, sha256: str | None) -> str:
    """Returns `model`, if it's a URL with the SHA-256 that its file must have."""
    return f"{model.partition('#')[0]}#sha256={sha256}" if sha256 and is_url(model) else model


def local(
    model: str | os.PathLike,
    *,
    sha256: str | None = None,
    max_bytes: int = MAX_BYTES,
    progress: Progress | None = None,
) -> Path:
    """Returns the path of a model's file. If `model` is a URL, its file is downloaded unless the cache has it.

    Args:
        model: A path or a URL.
        sha256: The SHA-256 that the file must have, in hexadecimal. For a model in several files it's that of all of
            them, one after the other, as a converted checkpoint records it.
        max_bytes: Limit for what is downloaded: all files of the model together.
        progress: Called as progress(file name, bytes done, bytes in total or None if the server doesn't say).

    Raises:
        InputError: The file can't be downloaded, is too large, isn't weights, or has another SHA-256. A download with
            another SHA-256 is deleted, unless it's in the cache of huggingface_hub.
    """
    url, _, fragment = model.partition("#") if is_url(model) else ("", "", "")
    named = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
    for text in (sha256, named):
        if text is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
            raise InputError(f"A SHA-256 has 64 hexadecimal digits; {limits.shown(text)} isn't one.")
    if sha256 and named and sha256.lower() != named.lower():
        raise InputError(f"{shown(url)}: The URL has the SHA-256 {named}, but {sha256} was given, too.")
    sha256 = (sha256 or named or "").lower()
    scheme = SCHEME.match(url)[1].lower() if url else "file"
    if not url:
        path, name = Path(model), str(model)
    elif scheme == "hf":
        path, name = _hugging_face(url, max_bytes), shown(url)
    elif scheme in ("http", "https"):
        path, name = _web(url, sha256, max_bytes, progress or (lambda name, done, total: None)), shown(url)
    else:
        raise InputError(f"Unknown kind of URL, {scheme}://. Use https://, http:// or hf://, or name a file.")
    if sha256:
        _check(path, sha256, name, is_ours=scheme in ("http", "https"))
    return path


def _web(url, sha256, max_bytes, progress):
    url = quote(url, safe="%/:=&?~+!$,;'@()*[]")  # spaces, and letters beyond ASCII
    try:
        parts = urlsplit(url)
        name = PurePosixPath(parts.path).name
        is_valid = bool(parts.hostname and name) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        is_valid = False
    if not is_valid:
        raise InputError(f"{shown(url)} isn't the URL of a file. It needs a host and a path, and no user name.")
    key = hashlib.sha256(f"{url} {sha256}".encode()).hexdigest()[:32]
    folder = caches.folder("downloads") / key
    path = folder / _file_name(name)
    if path.is_file() and all(file.is_file() for file in _beside(path)):
        return path

    def fetch(url, file, left):
        if not file.is_file():
            check, report = functools.partial(_mistaken, url), functools.partial(progress, file.name)
            http.fetch(url, file, max_bytes=left, check=check, progress=report)
        return left - file.stat().st_size

    folder.mkdir(parents=True, exist_ok=True)
    with files.locked(folder / ".lock"):
        left = fetch(url, path, max_bytes)
        for file in _beside(path):
            left = fetch(_neighbor(parts, path, file.name), file, left)
    return path


def _file_name(name):
    """Returns a name of plain letters for the last part of a URL's path."""
    name = re.sub(r"[^\w.+-]", "_", unquote(name), flags=re.ASCII)[-100:].lstrip(".") or "model"
    return f"_{name}" if RESERVED.match(name) else name


def _beside(path):
    """Returns the paths of the other files that the model needs."""
    names = [] if path.suffix.lower() == ".keras" else formats.companions(path)
    if odd := [name for name in names if name.startswith(".") or ":" in name]:
        raise InputError(f"{path.name} needs a file called {limits.shown(odd[0])}, which can't be downloaded.")
    return [path.with_name(name) for name in names]


def _neighbor(parts, path, name):
    """Returns the URL of the file `name` in the same folder; where only the suffix differs, the URL keeps its stem."""
    own = PurePosixPath(parts.path)
    if Path(name).stem == path.stem:
        return parts._replace(path=str(own.with_suffix(Path(name).suffix))).geturl()
    return parts._replace(path=str(own.with_name(quote(name)))).geturl()


def _mistaken(url, head):
    what = mistaken.named(head)
    if "HTML" in what and "/blob/" in url:
        what += " Write /raw/ (GitHub) or /resolve/ (Hugging Face) instead of /blob/."
    return what


def _hugging_face(url, max_bytes):
    owner, repo, file = ([*url[len("hf://") :].split("/", 2), "", ""])[:3]
    if not (owner and repo and file):
        raise InputError(f"{shown(url)} isn't the URL of a file. Write hf://user/repo/path/file.")
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise InputError(
            f"{shown(url)} needs huggingface_hub, which isn't installed. Install it with: pip install huggingface_hub. "
            f"Or use https://huggingface.co/{owner}/{repo}/resolve/main/{file}"
        ) from error
    repo, _, revision = repo.partition("@")
    where = {"repo_id": f"{owner}/{repo}", "revision": revision or None}

    def fetch(name, left):
        found = hub.try_to_load_from_cache(filename=name, **where)
        if not isinstance(found, str):
            left -= hub.get_hf_file_metadata(hub.hf_hub_url(filename=name, **where)).size or 0
            if left < 0:
                raise InputError(f"The files have more than {max_bytes:,} bytes, the limit for downloads.")
            found = hub.hf_hub_download(filename=name, **where)
        return Path(found), left

    try:
        path, left = fetch(file, max_bytes)
        for beside in _beside(path):
            _, left = fetch(str(PurePosixPath(file).with_name(beside.name)), left)
    except Exception as error:  # huggingface_hub raises errors of several libraries
        raise InputError(f"{shown(url)}: {limits.line(error)}") from error
    return path


def _check(path, sha256, name, is_ours):
    """Raises InputError if the model at `path` has another SHA-256, after deleting it if it's a download of ours."""
    if not path.is_file():
        raise InputError(f"{name}: A SHA-256 can be checked only for a file.")
    beside = _beside(path)
    found = formats.sha256(path) if beside else files.sha256(path)
    if found != sha256:
        for file in [path, *beside] if is_ours else ():
            file.unlink(missing_ok=True)
        deleted = " The download was deleted." if is_ours else ""
        raise InputError(f"{name} has the SHA-256 {found}, not {sha256}.{deleted}")
