"""Which texts are URLs, what they name, and which names in a store may become names of files."""

import os
import re
from urllib.parse import quote, unquote, urlsplit

from wdsr_tf.errors import InputError

URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs"}
ALIASES = {"gcs": "gs", "abfs": "az"}
WEB = ("http", "https")
MAX_PART = 255  # bytes of a file's name
NOT_ON_WINDOWS = re.compile(r'[<>:"|?*]|[. ]$')


def is_remote(place: object) -> bool:
    """Whether `place` is text that starts like a URL."""
    return isinstance(place, str) and URL.match(place) is not None


def scheme(url: str) -> str:
    """Returns the scheme of a URL, by its usual name; InputError if it's unknown."""
    found = URL.match(url)[1].lower()
    found = ALIASES.get(found, found)
    if found not in PACKAGES and found not in WEB:
        raise InputError(f"{found}://: unknown kind of URL. Use s3://, gs://, az://, https:// or http://.")
    return found


def is_web(url: str) -> bool:
    """Whether a URL is of a web server, which can be read and not listed or written; InputError as `scheme`."""
    return scheme(url) in WEB


def is_safe(name: str) -> bool:
    """Whether the name of an object can be a relative path of a file: nothing leads out of the folder, or is odd.

    Keys are any text; `..`, `/` twice, backslashes, and control characters have a meaning in paths, or none.
    """
    parts = name.split("/")
    if any(part in ("", ".", "..") or len(os.fsencode(part)) > MAX_PART for part in parts):
        return False
    if any(not letter.isprintable() or letter == "\\" for letter in name):
        return False
    return os.name != "nt" or not any(NOT_ON_WINDOWS.search(part) for part in parts)


def web_address(url: str) -> tuple[str, str]:
    """Returns the URL of a file as it's requested, and HOST/PATH, a relative path; InputError if it names no file."""
    url = quote(url.partition("#")[0], safe="%/:=&?~+!$,;'@()*[]")  # spaces, and letters beyond ASCII
    try:
        parts = urlsplit(url)
        valid = parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        valid = False
    name = unquote(parts.path).lstrip("/") if valid else ""
    if not name or not is_safe(name):
        shown = re.split(r"[?#]", url)[0]  # the rest may hold a secret
        raise InputError(f"{shown} isn't the URL of a file. It needs a host and a path, and no user name.")
    return url, f"{parts.netloc.replace(':', '_')}/{name}"


def split_name(url: str) -> tuple[str, str]:
    """Returns (URL of the folder, name) of an object."""
    folder, _, name = url.rstrip("/").rpartition("/")
    return folder, name
