"""Downloads a file over HTTP: resumable, limited in size, and with messages that say what is wrong."""

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from wdsr_tf import __version__
from wdsr_tf.errors import InputError

TIMEOUT = 30  # seconds without a byte
ATTEMPTS = 3  # connections for one file, each of which continues the one before
MAX_REDIRECTS = 5
CHUNK = 2**18  # bytes
MAX_TAG = 1000  # bytes of what identifies a version


def fetch(
    url: str,
    target: Path,
    *,
    max_bytes: int,
    check: Callable[[bytes], str] = lambda head: "",
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> None:
    """Downloads `url` to `target`, atomically.

    What arrives before a connection breaks is kept beside `target`, and the next call continues it by a range request
    if the server allows that and the file hasn't changed.

    Args:
        url: An ASCII URL that starts with https:// or http://.
        target: The file to write, in an existing folder. No other process may download to it; see `files.locked`.
        max_bytes: Limit for the file's size.
        check: Called with the file's first 512 bytes; text that it returns refuses the file.
        progress: Called as progress(bytes done, bytes in total or None if the server doesn't say).

    Raises:
        InputError: The file can't be downloaded, is empty or too large, or `check` refused it.
    """
    part = _Part(target)
    for _ in range(ATTEMPTS):
        is_complete, total = _attempt(url, part, max_bytes, check, progress)
        if is_complete:
            break
    else:
        of = "" if total is None else f" of {total:,}"
        how = "Run the same command again to continue." if part.version else "The server can't continue it; try again."
        raise InputError(f"{shown(url)}: The download broke off after {part.size:,}{of} bytes. {how}")
    if not part.size:
        part.discard()
        raise InputError(f"{shown(url)}: The server sent an empty file.")
    part.finish()


def version(url: str) -> str:
    """Returns what identifies the version of a file at `url`, its ETag or date, or "" if the server doesn't tell."""
    try:
        with _opened(url, {}, "HEAD") as answer:
            return _version(answer.headers)
    except InputError:  # not every server knows HEAD
        return ""


def shown(url: str) -> str:
    """Returns the URL without its query and fragment, which may hold a secret."""
    return line(re.split(r"[?#]", url)[0])


def line(text: object) -> str:
    """Returns text from a server, or about it, as one line that is safe to print."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)[:1000]).split())


class _Part:
    """The beginning of a file, and beside it the ETag or the date of the version that it belongs to."""

    def __init__(self, target):
        self._target = target
        self.path, self._tag = (target.with_name(f".{target.name}.{suffix}") for suffix in ("part", "tag"))

    @property
    def version(self):
        """What identifies the version, or "" if the file can't be continued."""
        if not self._tag.is_file() or self._tag.stat().st_size > MAX_TAG:
            return ""
        text = self._tag.read_bytes().decode("ascii", "replace")
        return text if text.isascii() and text.isprintable() else ""  # it becomes a header of the request

    @property
    def size(self):
        return self.path.stat().st_size if self.path.is_file() else 0

    def begin(self, version):
        self.discard()
        self.path.touch()
        if version:
            self._tag.write_text(version, "utf-8")

    def discard(self):
        for path in (self._tag, self.path):
            path.unlink(missing_ok=True)

    def finish(self):
        self.path.replace(self._target)
        self._tag.unlink(missing_ok=True)


def _attempt(url, part, max_bytes, check, progress):
    """Adds to `part` what one connection brings; returns (whether it's complete, bytes in total or None)."""
    start = part.size if part.version else 0
    ranges = {"Range": f"bytes={start}-", "If-Range": part.version} if start else {}
    with _opened(url, ranges) as answer:
        version, total = _version(answer.headers), _number(answer.headers.get("Content-Length", ""))
        if answer.status == 206:
            found = re.match(rf"bytes {start}-\d+/(\d+)$", answer.headers.get("Content-Range", ""))
            if not found or (version and version != part.version):
                part.discard()
                return False, None
            total = _number(found[1])
        else:
            start = 0
            part.begin(version)
        done = start
        with part.path.open("ab") as file:
            while chunk := _read(answer):
                why = "" if done else check(chunk[:512])
                done += len(chunk)
                if max(done, total or 0) > max_bytes:
                    size = f"{total:,}" if total else f"more than {max_bytes:,}"
                    why = f"has {size} bytes. The limit for downloads is {max_bytes:,}."
                if why:
                    part.discard()
                    raise InputError(f"{shown(url)} {why}")
                file.write(chunk)
                progress(done, total)
        return chunk is not None and total in (None, done), total


def _version(headers):
    """The ETag, unless it's a weak one, or the date of the file that is sent; "" if there is neither."""
    etag = headers.get("ETag", "")
    return line(etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", ""))


def _number(text):
    return int(text) if re.fullmatch(r"\d{1,15}", text) else None


def _read(answer):
    """Returns the next bytes; b"" at the end, and None if the connection broke and that is certain."""
    try:
        return answer.read(CHUNK)
    except (http.client.HTTPException, OSError):
        return None


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = MAX_REDIRECTS

    def redirect_request(self, request, file, code, message, headers, target):
        before, after = urlsplit(request.full_url).scheme, urlsplit(target).scheme
        if after not in ("http", "https") or (before, after) == ("https", "http"):
            raise InputError(f"{shown(request.full_url)} redirects to {shown(target)}, which isn't secure.")
        return super().redirect_request(request, file, code, message, headers, target)


def _opened(url, ranges, method="GET"):
    headers = {"User-Agent": f"wdsr-tf/{__version__}", **ranges}
    request = urllib.request.Request(url, headers=headers, method=method)
    try:
        return urllib.request.build_opener(_Redirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and ranges:  # the file has become shorter
            return _opened(url, {})
        raise InputError(f"{shown(url)}: {_meaning(error)}") from error
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{shown(url)}: {_reason(url, getattr(error, 'reason', error))}") from error


def _meaning(error):
    if error.code in (404, 410):
        return f"The server has no such file ({error.code}). Check the URL."
    if error.code in (401, 403):
        return f"The server refuses access ({error.code}). Download the file with a browser, and name that file."
    if 300 <= error.code < 400:
        return f"The server redirects more than {MAX_REDIRECTS} times, or to no URL."
    return f"The server answers {error.code} ({line(error.reason)}). Try again later."


def _reason(url, error):
    if isinstance(error, socket.gaierror):
        return f"Can't find the host {urlsplit(url).hostname}. Check the URL and the network connection."
    if isinstance(error, TimeoutError):
        return f"The server doesn't answer within {TIMEOUT} seconds."
    if isinstance(error, ssl.SSLError):
        return f"The connection isn't secure: {line(error)}"
    return f"Can't connect: {line(error)}"
