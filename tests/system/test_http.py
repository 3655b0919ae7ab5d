import email.message
import io
import socket
import ssl
import urllib.error
import urllib.request

import pytest

from tests.helpers.server import Page
from wdsr_tf.errors import InputError
from wdsr_tf.system import http

BODY = bytes(range(256)) * 40
ETAG = {"ETag": '"first"'}


@pytest.fixture
def fetch(server, tmp_path):
    """`fetch(page)` downloads the page to tmp_path / "x.pth" and returns what was written."""

    def fetched(page=None, **options):
        if page:
            server.pages["/x.pth"] = page
        http.fetch(f"{server.url}/x.pth", tmp_path / "x.pth", **{"max_bytes": 2**20} | options)
        return (tmp_path / "x.pth").read_bytes()

    return fetched


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("length", [True, False, "chunked"])
def test_a_file_is_downloaded_with_progress_and_nothing_else_is_left(length, fetch, tmp_path, monkeypatch):
    monkeypatch.setattr(http, "CHUNK", 4096)
    seen = []
    assert fetch(Page(BODY, ETAG, length=length), progress=lambda *numbers: seen.append(numbers)) == BODY
    total = len(BODY) if length is True else None
    assert seen[0] == (4096, total) and seen[-1] == (len(BODY), total)
    assert names(tmp_path) == ["x.pth"]


@pytest.mark.parametrize("headers", [ETAG, {"Last-Modified": "Sat, 21 Nov 2026 10:00:00 GMT"}])
@pytest.mark.parametrize("length", [True, "chunked"])
def test_a_cut_connection_is_continued_at_once(length, headers, server, fetch, monkeypatch):
    monkeypatch.setattr(http, "CHUNK", 500)
    assert fetch(Page(BODY, headers, cuts=[5000, 3000], length=length)) == BODY
    (version,) = headers.values()
    asked = [(headers.get("Range"), headers.get("If-Range")) for _, headers in server.requests]
    assert asked == [(None, None), ("bytes=5000-", version), ("bytes=8000-", version)]


def test_a_download_that_breaks_off_is_continued_by_the_next_call(server, fetch, tmp_path):
    with pytest.raises(InputError, match=r"x\.pth: The download broke off after 3,000 of 10,240 bytes\. Run the same"):
        fetch(Page(BODY, ETAG, cuts=[1000, 1000, 1000]))
    assert not (tmp_path / "x.pth").exists()
    assert fetch() == BODY
    assert server.requests[-1][1]["Range"] == "bytes=3000-"


@pytest.mark.parametrize("ranges", [True, "always"])
def test_a_file_that_has_changed_starts_over(ranges, server, fetch):
    with pytest.raises(InputError, match="broke off"):
        fetch(Page(BODY, ETAG, cuts=[1000] * 3))
    changed = BODY[::-1]
    assert fetch(Page(changed, {"ETag": '"second"'}, ranges=ranges)) == changed


def test_a_file_that_has_become_shorter_starts_over(fetch):
    with pytest.raises(InputError, match="broke off"):
        fetch(Page(BODY, ETAG, cuts=[1000] * 3))
    assert fetch(Page(BODY[:500], ETAG)) == BODY[:500]


def test_a_server_without_ranges_starts_over(server, fetch):
    assert fetch(Page(BODY, ETAG, ranges=False, cuts=[1000])) == BODY
    assert [headers.get("Range") for _, headers in server.requests] == [None, "bytes=1000-"]


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"weak"'}])
def test_without_a_version_to_compare_nothing_is_continued(headers, server, fetch):
    with pytest.raises(InputError, match=r"broke off after 1,000 of 10,240 bytes\. The server can't continue it"):
        fetch(Page(BODY, headers, cuts=[1000] * 3))
    assert all("Range" not in headers for _, headers in server.requests)


@pytest.mark.parametrize(
    "length, size", [(True, "10,240"), (False, "more than 10,000"), ("chunked", "more than 10,000")]
)
def test_a_file_over_the_limit_is_refused_and_deleted(length, size, fetch, tmp_path):
    with pytest.raises(InputError, match=rf"x\.pth has {size} bytes\. The limit for downloads is 10,000"):
        fetch(Page(BODY, ETAG, length=length), max_bytes=10_000)
    assert names(tmp_path) == []


def test_a_file_that_the_check_refuses_is_deleted(fetch, tmp_path):
    heads = []
    with pytest.raises(InputError, match=r"x\.pth is a poem"):
        fetch(Page(BODY, ETAG), check=lambda head: heads.append(head) or "is a poem")
    assert heads == [BODY[:512]] and names(tmp_path) == []


def test_an_empty_file_is_refused(fetch, tmp_path):
    with pytest.raises(InputError, match="empty file"):
        fetch(Page(b"", ETAG))
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "status, what",
    [
        (404, "no such file"),
        (403, "refuses access"),
        (503, r"answers 503 \(Service Unavailable\)"),
        (302, "redirects more than 5"),
    ],
)
def test_an_error_of_the_server_is_explained(status, what, fetch):
    with pytest.raises(InputError, match=rf"^http://127\.0\.0\.1:\d+/x\.pth: The server .*{what}"):
        fetch(Page(status=status))


def test_redirects_are_followed_and_limited(server, fetch):
    server.pages["/there"] = Page(BODY)
    assert fetch(Page(status=302, headers={"Location": "/there"})) == BODY


def test_a_circle_of_redirects_ends(fetch, tmp_path):
    with pytest.raises(InputError, match="redirects more than 5 times"):
        fetch(Page(status=302, headers={"Location": "/x.pth"}))
    assert names(tmp_path) == []


@pytest.mark.parametrize("target", ["http://other/x.pth", "ftp://other/x.pth", "file:///etc/passwd"])
def test_a_secure_url_redirects_only_to_secure_ones(target):
    headers = email.message.Message()
    redirect = http._Redirects().redirect_request
    request = urllib.request.Request("https://host/x.pth?token=secret")
    with pytest.raises(InputError, match=r"https://host/x\.pth redirects to .*isn't secure") as raised:
        redirect(request, io.BytesIO(), 302, "Found", headers, target)
    assert "secret" not in str(raised.value)
    assert (
        redirect(request, io.BytesIO(), 302, "Found", headers, "https://other/x.pth").full_url == "https://other/x.pth"
    )


@pytest.mark.parametrize(
    "reason, what",
    [
        (socket.gaierror(-2, "Name or service not known"), "Can't find the host host"),
        (TimeoutError("timed out"), "doesn't answer within 30 seconds"),
        (ssl.SSLCertVerificationError("expired"), "isn't secure"),
        (ConnectionRefusedError(111, "Connection refused"), "Can't connect: .*refused"),
    ],
)
def test_a_failed_connection_is_explained(reason, what, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise urllib.error.URLError(reason)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", fail)
    with pytest.raises(InputError, match=rf"^https://host/x\.pth: .*{what}"):
        http.fetch("https://host/x.pth?token=secret", tmp_path / "x.pth", max_bytes=1)


def test_losing_the_connection_keeps_what_has_arrived(server, fetch, monkeypatch):
    with pytest.raises(InputError, match="broke off"):
        fetch(Page(BODY, ETAG, cuts=[1000] * 3))
    with monkeypatch.context() as patch:
        patch.setattr(server, "pages", {})
        with pytest.raises(InputError, match="no such file"):
            fetch()
    assert fetch() == BODY and server.requests[-1][1]["Range"] == "bytes=3000-"


@pytest.mark.parametrize("tag", [b"\xff\xfe", b"a\r\nX-Evil: 1", "käthe".encode(), b"x" * 10**6])
def test_a_damaged_version_starts_over(tag, server, fetch, tmp_path):
    (tmp_path / ".x.pth.part").write_bytes(BODY[:3000])
    (tmp_path / ".x.pth.tag").write_bytes(tag)
    assert fetch(Page(BODY, ETAG)) == BODY
    assert "Range" not in server.requests[-1][1]
