import hashlib
import json
import os
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest

import wdsr_tf
from tests.helpers import published
from tests.helpers.server import Page
from wdsr_tf import checkpoint
from wdsr_tf.errors import InputError
from wdsr_tf.importers import download, formats
from wdsr_tf.importers.download import local
from wdsr_tf.importers.load import checkpoint_of, scales_of
from wdsr_tf.models import create_model

BODY = b"PK\3\4 weights of a kind"
HEX = hashlib.sha256(BODY).hexdigest()
OTHER = "0" * 64
PARAM = b"7767517\n1 1\nInput data 0 1 data\n"
BIN = bytes(4) + b"weights"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "wdsr-tf" / "downloads"


def asked(server):
    return [path for path, _ in server.requests]


def kept(cache):
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.name != ".lock")


def test_a_path_is_returned_as_it_is(tmp_path):
    assert local("a/b.pth") == local(Path("a/b.pth")) == Path("a/b.pth")
    assert local(tmp_path) == tmp_path


def test_a_file_is_downloaded_once_and_keeps_its_name(server, cache):
    server.pages["/a/noise1_scale2.0x_model.pth"] = Page(BODY)
    url, seen = f"{server.url}/a/noise1_scale2.0x_model.pth", []
    path = local(url, progress=lambda *facts: seen.append(facts))
    assert path.name == "noise1_scale2.0x_model.pth" and cache in path.parents
    assert path.read_bytes() == BODY
    assert seen == [(path.name, len(BODY), len(BODY))]
    assert local(url) == path and len(server.requests) == 1


def test_a_query_is_part_of_the_url_but_not_of_the_name(server):
    server.pages["/x.pth"] = Page(BODY)
    first, second = (local(f"{server.url}/x.pth?version={n}") for n in (1, 2))
    assert first != second and first.name == second.name == "x.pth"
    assert asked(server) == ["/x.pth?version=1", "/x.pth?version=2"]


@pytest.mark.parametrize(
    "last, name",
    [
        ("4x%20big%2F..%2Fmodel.pth", "4x_big_.._model.pth"),
        ("..%5C..%5Cx.pth", "_.._x.pth"),
        (".hidden.pth", "hidden.pth"),
        ("größe.pth", "gr__e.pth"),
        ("con.pth", "_con.pth"),
        ("a" * 300 + ".pth", "a" * 96 + ".pth"),
        ("%00%0a", "__"),
        ("...", "model"),
    ],
)
def test_names_are_made_of_plain_letters(last, name, server, cache, monkeypatch):
    monkeypatch.setattr(download.http, "fetch", lambda url, target, **_: target.write_bytes(BODY))
    path = local(f"https://host/{last}")
    assert path.name == name and path.parent.parent == cache


@pytest.mark.parametrize(
    "url, what",
    [
        ("ftp://host/x.pth", "Unknown kind of URL, ftp://"),
        ("file:///etc/passwd", "Unknown kind of URL, file://"),
        ("https:///x.pth", "isn't the URL of a file"),
        ("https://host", "isn't the URL of a file"),
        ("https://host/", "isn't the URL of a file"),
        ("https://[::1/x.pth", "isn't the URL of a file"),
        ("https://host:port/x.pth", "isn't the URL of a file"),
        ("https://user:secret@host/x.pth", "no user name"),
        ("https://host/x.pth#sha256=12", "A SHA-256 has 64 hexadecimal digits"),
    ],
)
def test_what_is_no_url_of_a_file_is_refused(url, what, monkeypatch):
    monkeypatch.setattr(download.http, "fetch", lambda *_, **__: pytest.fail("something was fetched"))
    with pytest.raises(InputError, match=what):
        local(url)


def test_a_file_with_the_right_sha256_is_taken(server):
    server.pages["/x.pth"] = Page(BODY)
    path = local(f"{server.url}/x.pth", sha256=HEX.upper())
    assert local(f"{server.url}/x.pth#sha256={HEX}") == path
    assert local(path, sha256=HEX) == path
    assert len(server.requests) == 1


def test_a_file_with_another_sha256_is_deleted(server, cache):
    server.pages["/x.pth"] = Page(BODY)
    for _ in range(2):
        with pytest.raises(InputError, match=rf"x\.pth has the SHA-256 {HEX}, not {OTHER}\. The download was deleted"):
            local(f"{server.url}/x.pth?token=secret#sha256={OTHER}")
        assert kept(cache) == []
    assert len(server.requests) == 2


def test_a_download_that_changes_in_the_cache_is_noticed_where_it_is_pinned(server):
    server.pages["/x.pth"] = Page(BODY)
    path = local(f"{server.url}/x.pth", sha256=HEX)
    path.write_bytes(b"PK\3\4 something else")
    with pytest.raises(InputError, match="has the SHA-256"):
        local(f"{server.url}/x.pth", sha256=HEX)
    assert local(f"{server.url}/x.pth", sha256=HEX).read_bytes() == BODY


def test_a_file_of_the_user_is_checked_but_never_deleted(tmp_path):
    (tmp_path / "x.pth").write_bytes(BODY)
    with pytest.raises(InputError, match=rf"x\.pth has the SHA-256 {HEX}, not {OTHER}\.$"):
        local(tmp_path / "x.pth", sha256=OTHER)
    assert (tmp_path / "x.pth").read_bytes() == BODY
    with pytest.raises(InputError, match="only for a file"):
        local(tmp_path, sha256=HEX)


def test_two_different_pins_contradict_each_other():
    with pytest.raises(InputError, match=f"The URL has the SHA-256 {OTHER}, but {HEX} was given"):
        local(f"https://host/x.pth#sha256={OTHER}", sha256=HEX)


@pytest.mark.parametrize(
    "body, what",
    [
        (b"<!DOCTYPE html><html>", r"is a web page \(HTML\).* Write /raw/ \(GitHub\)"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a git-lfs pointer"),
    ],
)
def test_an_answer_that_is_not_weights_is_named_and_not_kept(body, what, server, cache):
    server.pages["/blob/x.pth"] = Page(body)
    with pytest.raises(InputError, match=rf"/blob/x\.pth {what}"):
        local(f"{server.url}/blob/x.pth")
    assert kept(cache) == []


def test_the_other_file_of_an_ncnn_pair_is_fetched_too(server):
    server.pages |= {"/a b.param": Page(PARAM), "/a%20b.param": Page(PARAM), "/a%20b.bin": Page(BIN)}
    path = local(f"{server.url}/a b.param?raw=true")
    assert path.name == "a_b.param" and path.with_suffix(".bin").read_bytes() == BIN
    assert asked(server) == ["/a%20b.param?raw=true", "/a%20b.bin?raw=true"]
    weights = local(f"{server.url}/a%20b.bin")
    assert weights.with_suffix(".param").read_bytes() == PARAM
    del server.requests[:]
    assert local(f"{server.url}/a b.param?raw=true") == path and local(f"{server.url}/a%20b.bin") == weights
    assert not server.requests


def test_a_pair_is_pinned_by_the_sha256_that_its_checkpoint_records(server, cache):
    server.pages |= {"/x.param": Page(PARAM), "/x.bin": Page(BIN)}
    both = hashlib.sha256(PARAM + BIN).hexdigest()
    path = local(f"{server.url}/x.param", sha256=both)
    assert formats.sha256(path) == both
    assert local(f"{server.url}/x.bin", sha256=both).is_file()
    server.pages["/x.bin"] = Page(BIN + b"forged")
    with pytest.raises(InputError, match=r"The download was deleted"):
        local(f"{server.url}/x.param?again", sha256=both)
    assert kept(cache) == ["x.bin", "x.bin", "x.param", "x.param"]


def test_a_missing_companion_is_named_and_fetched_the_next_time(server):
    server.pages["/x.param"] = Page(PARAM)
    with pytest.raises(InputError, match=r"/x\.bin: The server has no such file"):
        local(f"{server.url}/x.param")
    server.pages["/x.bin"] = Page(BIN)
    assert local(f"{server.url}/x.param").with_suffix(".bin").read_bytes() == BIN
    assert asked(server) == ["/x.param", "/x.bin", "/x.bin"]


def test_the_limit_is_for_all_files_together(server):
    server.pages |= {"/x.param": Page(PARAM), "/x.bin": Page(BIN)}
    with pytest.raises(InputError, match=r"/x\.bin has 11 bytes\. The limit for downloads is 10\."):
        local(f"{server.url}/x.param", max_bytes=len(PARAM) + 10)
    assert local(f"{server.url}/x.param", max_bytes=len(PARAM) + 11).is_file()


def model_json(*shards):
    return Page(json.dumps({"modelTopology": {}, "weightsManifest": [{"paths": shards, "weights": []}]}).encode())


def test_the_shards_of_a_tensorflow_js_model_are_fetched(server):
    server.pages |= {"/m/model.json": model_json("g-1of2.bin", "g-2of2.bin")}
    server.pages |= {"/m/g-1of2.bin": Page(b"one"), "/m/g-2of2.bin": Page(b"two")}
    path = local(f"{server.url}/m/model.json")
    assert [path.with_name(f"g-{n}of2.bin").read_bytes() for n in (1, 2)] == [b"one", b"two"]


@pytest.mark.parametrize(
    "shard", ["../x.bin", "/etc/passwd", "http://other/x.bin", "a\\b.bin", "..", ".hidden", "C:x", 3]
)
def test_shards_elsewhere_are_never_fetched(shard, server):
    server.pages["/model.json"] = model_json(shard)
    with pytest.raises(InputError, match=r"model\.json"):
        local(f"{server.url}/model.json")
    assert asked(server) == ["/model.json"]


def test_the_data_of_a_tensorflow_1_checkpoint_are_fetched(server):
    data = "/x.ckpt.data-00000-of-00001"
    server.pages |= {"/x.ckpt.index": Page(b"index"), data: Page(b"data")}
    assert local(f"{server.url}/x.ckpt.index").with_name(data[1:]).read_bytes() == b"data"
    assert local(f"{server.url}{data}").with_name("x.ckpt.index").read_bytes() == b"index"


def test_threads_and_processes_that_need_the_same_file_fetch_it_once(server):
    server.pages["/x.pth"] = Page(BODY)
    threads = [threading.Thread(target=local, args=[f"{server.url}/x.pth"]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 1


@pytest.fixture
def weights(server, tmp_path):
    """The URL of published weights, x4."""
    np.savez(tmp_path / "edsr.npz", **published.EVERY["edsr x4"].arrays)
    server.pages["/edsr.npz"] = Page((tmp_path / "edsr.npz").read_bytes())
    return f"{server.url}/edsr.npz"


def test_the_api_takes_urls_wherever_it_takes_weights(weights, server):
    assert scales_of(weights) == (4,)
    assert checkpoint.read_config(checkpoint_of(weights))["facts"]["source"] == "edsr.npz"
    assert wdsr_tf.load(weights).scale == 4
    upscaler = wdsr_tf.Upscaler(weights, engine="keras")
    assert upscaler.upscale(np.zeros((8, 8, 3), "uint8")).shape == (32, 32, 3)
    from wdsr_tf.evaluation.networks import collect

    assert [network.name for network in collect(weights)] == [weights]
    assert collect({"edsr": weights})[0].scales == (4,)
    assert len(server.requests) == 1


def test_a_checkpoint_can_be_loaded_from_a_url(server, tmp_path):
    checkpoint.save(create_model("wdsr-a", 3, num_filters=4, num_res_blocks=1), tmp_path / "a.keras")
    server.pages["/a.keras"] = Page((tmp_path / "a.keras").read_bytes())
    assert wdsr_tf.load(f"{server.url}/a.keras").scale == 3
    assert asked(server) == ["/a.keras"]


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A huggingface_hub whose repository has the files of `hub.files`; `hub.calls` are its downloads."""

    def target(filename):
        return tmp_path / "hub" / filename

    def try_to_load_from_cache(filename, repo_id, revision):
        return os.fspath(target(filename)) if target(filename).is_file() else None

    def hf_hub_download(filename, repo_id, revision):
        fake.calls.append((repo_id, revision, filename))
        target(filename).parent.mkdir(parents=True, exist_ok=True)
        target(filename).write_bytes(fake.files[filename])
        return os.fspath(target(filename))

    def get_hf_file_metadata(name):
        return types.SimpleNamespace(size=len(fake.files[name]))

    fake = types.SimpleNamespace(
        files={},
        calls=[],
        try_to_load_from_cache=try_to_load_from_cache,
        hf_hub_download=hf_hub_download,
        hf_hub_url=lambda filename, repo_id, revision: filename,
        get_hf_file_metadata=get_hf_file_metadata,
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    return fake


def test_huggingface_hub_fetches_its_urls_with_companions(hub):
    hub.files |= {"deep/x.param": PARAM, "deep/x.bin": BIN}
    path = local("hf://user/repo/deep/x.param")
    assert path.read_bytes() == PARAM and path.with_suffix(".bin").read_bytes() == BIN
    assert hub.calls == [("user/repo", None, "deep/x.param"), ("user/repo", None, "deep/x.bin")]
    assert local("hf://user/repo/deep/x.param") == path and len(hub.calls) == 2


def test_a_revision_a_sha256_and_the_limit_hold_for_huggingface_too(hub):
    hub.files |= {"x.pth": BODY, "large.pth": bytes(100)}
    path = local(f"hf://user/repo@v1/x.pth#sha256={HEX}")
    assert hub.calls == [("user/repo", "v1", "x.pth")]
    with pytest.raises(InputError, match=f"^hf://user/repo@v1/x.pth has the SHA-256 {HEX}, not {OTHER}.$"):
        local("hf://user/repo@v1/x.pth", sha256=OTHER)
    assert path.is_file()
    with pytest.raises(InputError, match=r"hf://user/repo/large\.pth: .*more than 99 bytes"):
        local("hf://user/repo/large.pth", max_bytes=99)
    with pytest.raises(InputError, match=r"hf://user/repo/absent\.pth: 'absent\.pth'"):
        local("hf://user/repo/absent.pth")
    with pytest.raises(InputError, match="Write hf://user/repo/path/file"):
        local("hf://user/repo")


def test_without_huggingface_hub_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        InputError, match=r"pip install huggingface_hub\. Or use https://huggingface\.co/u/r/resolve/main/a/x\.pth"
    ):
        local("hf://u/r/a/x.pth")
