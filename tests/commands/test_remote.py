import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.conftest import REPOSITORY
from tests.helpers import s3
from tests.helpers.commands import runner
from tests.helpers.server import Page
from wdsr_tf import files, images
from wdsr_tf.commands.upscale import COMMAND
from wdsr_tf.inference.journal import Record, State
from wdsr_tf.storage import store as module
from wdsr_tf.storage.account import StoreAccount
from wdsr_tf.storage.store import Store

NOISE = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype="uint8")


@pytest.fixture(scope="module")
def s3_server():
    with s3.serving() as running:
        yield running


@pytest.fixture
def bucket(s3_server, request, monkeypatch):
    """A bucket of its own for a test."""
    _, client = s3_server
    bucket = s3.Bucket(client, f"bucket-{abs(hash(request.node.name))}")
    client.create_bucket(Bucket=bucket.name)
    monkeypatch.setattr(module, "PAUSE", 0)
    return bucket


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The current folder; what is staged is in `tmp`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    yield tmp_path
    assert [path for path in (tmp_path / "tmp").iterdir() if path.name != ".ses"] == []  # of a killed ONNX Runtime


@pytest.fixture
def upscale(capsys):
    return runner(lambda argv: COMMAND.main(argv, "wdsr-tf"), capsys)


def pictures(folder):
    """Images of several formats and kinds: names that collide, subfolders, odd names, and one that's broken."""
    images.write(folder / "cat.png", NOISE)
    images.write(folder / "cat.jpg", NOISE[::-1])
    images.write(folder / "cat-jpg.png", NOISE[:, ::-1])
    images.write(folder / "sub/with space, # and %41.webp", NOISE)
    images.write(folder / "sub/käthe's+you?.png", NOISE[:5])
    Image.fromarray(NOISE).save(folder / "sub/dpi", "PNG", dpi=(300, 300))
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "notes.txt").write_text("no image")
    return sorted(path for path in folder.rglob("*") if path.is_file())


def fill(bucket, folder, prefix="in/"):
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.put(prefix + path.relative_to(folder).as_posix(), path.read_bytes())


def results(folder):
    """{name: content} of the results in a folder."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".wdsr-tf")}


def in_bucket(bucket, prefix="out/"):
    return {key.removeprefix(prefix): bucket.get(key) for key in bucket.keys(prefix)}


def test_results_are_those_of_local_files_wherever_both_are(place, bucket, upscale):
    pictures(place / "in")
    fill(bucket, place / "in")
    local = upscale("-i", "in", "-o", "local", "--check")
    assert local.returncode == 1
    expected = results(place / "local")
    assert {"cat-sr.png", "cat-jpg-sr.png", "cat-jpg-2-sr.png"} <= expected.keys() and len(expected) == 6

    both = upscale("-i", f"{bucket.url}/in", "-o", f"{bucket.url}/out", "--check")
    assert both.returncode == 1 and f"Wrote 6 of 7 files to {bucket.url}/out." in both.stdout
    assert both.stderr.count("Failed") == 1
    assert f"Failed: {bucket.url}/in/broken.png: can't be read: the file is truncated" in both.stderr
    assert in_bucket(bucket) == expected

    upscale("-i", f"{bucket.url}/in/", "-o", "downloaded")
    assert results(place / "downloaded") == expected
    upscale("-i", "in", "-o", f"{bucket.url}/uploaded/")
    assert in_bucket(bucket, "uploaded/") == expected


def test_shards_of_a_bucket_together_make_what_one_process_makes(place, bucket, upscale):
    pictures(place / "in")
    fill(bucket, place / "in")
    upscale("-i", f"{bucket.url}/in", "-o", f"{bucket.url}/out")
    shards = [upscale("-i", f"{bucket.url}/in", "-o", f"{bucket.url}/shared", "--shard", f"{i}/3") for i in range(3)]
    assert in_bucket(bucket, "shared/") == in_bucket(bucket)
    written = [int(line.split()[1]) for each in shards for line in each.stdout.splitlines() if line[:6] == "Wrote "]
    assert sum(written) == 6 and "".join(each.stderr for each in shards).count("Failed") == 1
    refused = upscale("-i", f"{bucket.url}/in", "-o", "local", "--ray", "local")
    assert refused.returncode == 1 and "--shard" in refused.stderr


@pytest.mark.parametrize("outdir", ["out", "{bucket}/out"])
def test_what_is_up_to_date_is_not_even_read(place, bucket, upscale, outdir, monkeypatch):
    outdir = outdir.format(bucket=bucket.url)
    for name in "abc":
        images.write(place / f"in/{name}.png", NOISE)
    fill(bucket, place / "in")
    words = ["-i", f"{bucket.url}/in", "-o", outdir]
    assert upscale(*words).returncode == 0

    fetched, fetch = [], Store.fetch
    monkeypatch.setattr(Store, "fetch", lambda self, name, target: (fetched.append(name), fetch(self, name, target)))
    again = upscale(*words)
    assert again.returncode == 0 and "3 of 3 are done already" in again.stdout and "Wrote" not in again.stdout
    assert fetched == []

    images.write(place / "in/b.png", NOISE[::-1])
    bucket.put("in/b.png", (place / "in/b.png").read_bytes())
    changed = upscale(*words)
    assert "1 were upscaled again" in changed.stdout and "Wrote 1 of 1" in changed.stdout and fetched == ["b.png"]

    bucket.put("in/c.png", (place / "in/c.png").read_bytes())  # the same image: the same version
    assert "3 of 3 are done already" in upscale(*words).stdout and fetched == ["b.png"]
    assert "Wrote 3 of 3" in upscale(*words, "--scale", 3).stdout
    assert "Wrote 3 of 3" in upscale(*words, "--scale", 3, "--overwrite").stdout
    local = upscale("-i", "in", "-o", "local", "--scale", 3)
    assert local.returncode == 0
    assert (in_bucket(bucket) if "s3" in outdir else results(place / "out")) == results(place / "local")


def test_objects_of_others_are_kept(place, bucket, upscale):
    for name in "ab":
        images.write(place / f"in/{name}.png", NOISE)
    bucket.put("out/a-sr.png", b"somebody's own")
    words = ["-i", "in", "-o", f"{bucket.url}/out"]
    first = upscale(*words)
    assert f"Kept {bucket.url}/out/a-sr.png, which isn't a result" in first.stdout and "Wrote 1 of 1" in first.stdout
    bucket.put("out/b-sr.png", b"cropped")
    second = upscale(*words)
    assert second.stdout.count("Kept") == 2 and bucket.get("out/b-sr.png") == b"cropped"
    assert "Wrote 2 of 2" in upscale(*words, "--overwrite").stdout
    assert bucket.get("out/a-sr.png") == bucket.get("out/b-sr.png") != b"cropped"


def test_a_run_that_is_killed_between_uploads_is_continued(place, bucket, upscale):
    for number in range(8):
        images.write(place / f"in/{number}.png", np.roll(np.tile(NOISE, (12, 12, 1)), number, axis=0))
    upscale("-i", "in", "-o", "local")
    fill(bucket, place / "in")
    words = ["-i", f"{bucket.url}/in", "-o", f"{bucket.url}/out"]
    script = [sys.executable, str(REPOSITORY / "demo.py"), *words]
    environment = os.environ | {"TMPDIR": str(place / "tmp")}
    with subprocess.Popen(script, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while len(bucket.keys("out/")) < 3:
            assert run.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
    assert list((place / "tmp").iterdir())
    before = in_bucket(bucket)
    assert 3 <= len(before) < 8

    rest = upscale(*words)
    assert rest.returncode == 0 and "Kept" not in rest.stdout
    assert f"{len(before)} of 8 are done already" in rest.stdout
    assert in_bucket(bucket) == results(place / "local") and before.items() <= in_bucket(bucket).items()
    assert "8 of 8 are done already" in upscale(*words).stdout


def test_two_writers_of_one_folder_know_the_results_of_each_other(place, bucket):
    store = Store(f"{bucket.url}/out")
    with StoreAccount(store, place / "1") as first, StoreAccount(store, place / "2") as second:
        made = {}
        for account, stage in ((first, place / "1"), (second, place / "2")):
            for name in ("same.png", f"{stage.name}.png"):
                target = account.outdir(stage / "0") / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(name)
                made[name] = Record(name, files.sha256(target), "a.png", "source", ("model",), "options")
                assert account.state(target) in (State.ABSENT, State.OUTDATED)
                account.add(made[name])
                account.publish(target)
        assert first.state(place / "1/0/out/2.png", made["2.png"].cause) is State.CURRENT
        assert second.state(place / "2/0/out/1.png", made["1.png"].cause) is State.CURRENT
    assert len(bucket.journals("out/")) == 2 and bucket.keys("out/") == ["out/1.png", "out/2.png", "out/same.png"]
    with StoreAccount(store, place / "3") as third:
        for name, record in made.items():
            assert third.state(place / "3/0/out" / name, record.cause) is State.CURRENT
    assert len(bucket.journals("out/")) == 2


def test_a_result_that_cannot_be_stored_is_named_and_leaves_no_object(place, bucket, upscale, monkeypatch):
    for name in "abc":
        images.write(place / f"in/{name}.png", NOISE)
    put = Store.put

    def failing(self, path, name):
        if name == "b-sr.png":
            raise module.StorageError(f"{self.label(name)}: the server answers 500.")
        return put(self, path, name)

    words = ["-i", "in", "-o", f"{bucket.url}/out"]
    with monkeypatch.context() as patch:
        patch.setattr(Store, "put", failing)
        run = upscale(*words)
    assert run.returncode == 1 and "Wrote 2 of 3" in run.stdout
    assert "Failed: in/b.png: " in run.stderr and "out/b-sr.png: the server answers 500" in run.stderr
    assert bucket.keys("out/") == ["out/a-sr.png", "out/c-sr.png"]
    assert "Wrote 1 of 1" in upscale(*words).stdout


def test_a_large_result_is_stored_in_parts_and_an_aborted_upload_leaves_nothing(place, bucket, monkeypatch):
    store, large = Store(f"{bucket.url}/out"), place / "large"
    large.write_bytes(b"x" * (11 * 2**20))
    put_file, calls = store._files.put_file, []

    def in_parts(path, key):
        put_file(path, key, chunksize=5 * 2**20, max_concurrency=1)

    monkeypatch.setattr(store._files, "put_file", in_parts)
    assert store.put(large, "a").size == 11 * 2**20
    call = type(store._files)._call_s3

    async def failing(self, method, *arguments, **options):
        calls.append(method)
        if method == "upload_part" and options["PartNumber"] == 2:
            raise OSError("the connection broke")
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(type(store._files), "_call_s3", failing)
    with pytest.raises(module.StorageError, match="can't write it: the connection broke"):
        store.put(large, "b")
    assert "abort_multipart_upload" in calls and bucket.keys("out/") == ["out/a"]
    assert "Uploads" not in bucket.client.list_multipart_uploads(Bucket=bucket.name)


def test_connections_that_break_are_tried_again_up_to_a_limit(place, bucket, monkeypatch):
    store, attempts = Store(bucket.url), []
    bucket.put("a", b"content")
    cat_file = store._files.cat_file

    def breaking(key, **part):
        attempts.append(key)
        if len(attempts) < limit:
            raise ConnectionResetError("reset by peer")
        return cat_file(key, **part)

    monkeypatch.setattr(store._files, "cat_file", breaking)
    limit = module.ATTEMPTS
    assert store.read("a") == b"content" and len(attempts) == module.ATTEMPTS
    limit = 100
    with pytest.raises(module.StorageError, match=r"can't connect \(reset by peer\)") as raised:
        store.read("a")
    assert raised.value.is_fatal and len(attempts) == 2 * module.ATTEMPTS


def test_missing_buckets_objects_and_credentials_are_named_in_one_sentence(place, bucket, upscale, monkeypatch):
    images.write(place / "in/a.png", NOISE)
    for words in (["-i", "s3://no-such-bucket/in"], ["-i", "in", "-o", "s3://no-such-bucket/out"]):
        run = upscale(*words)
        assert run.returncode == 1 and "there is no such bucket. Check the name, or create the bucket." in run.stderr
    missing = upscale("-i", f"{bucket.url}/nothing")
    assert missing.returncode == 1 and f"no object and no folder with objects at {bucket.url}/nothing" in missing.stderr
    overlap = upscale("-i", f"{bucket.url}/in", "-o", bucket.url)
    assert overlap.returncode == 1 and "Name another folder for the results" in overlap.stderr
    assert "can't be" not in upscale("-i", "in", "-o", "ftp://host/out").stderr
    written = upscale("-i", "in", "-o", "https://host/out")
    assert written.returncode == 1 and "web servers have no folders to list or write" in written.stderr

    with monkeypatch.context() as patch, fresh_file_systems():
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        run = upscale("-i", f"{bucket.url}/in")
    assert run.returncode == 1 and "no valid credentials" in run.stderr and "AWS_PROFILE" in run.stderr
    assert run.stderr.count("\n") == 1


@contextlib.contextmanager
def fresh_file_systems():
    """What fsspec opened before, with other credentials, isn't used in the block; nor what it opens there, after it."""
    opened = type(Store("s3://bucket")._files)
    opened.clear_instance_cache(), module._filesystem.cache_clear()
    yield
    opened.clear_instance_cache(), module._filesystem.cache_clear()


def test_access_that_is_denied_stops_the_run(place, bucket, upscale, monkeypatch):
    for name in "abc":
        images.write(place / f"in/{name}.png", NOISE)

    def denied(self, *arguments):
        raise module.explained(PermissionError("Access Denied"), self.label("a"), "write")

    monkeypatch.setattr(Store, "write", denied)
    run = upscale("-i", "in", "-o", f"{bucket.url}/out")
    assert run.returncode == 1 and bucket.keys("out/") == []
    assert run.stderr.count("access denied (Access Denied). These credentials may not write it.") == 1
    assert "the same command goes on" in run.stderr


def test_names_that_lead_out_of_the_output_folder_are_skipped(place, bucket, upscale):
    content = files_of_noise(place)
    for key in (
        "in/../up.png",
        "in//absolute.png",
        "in/./a.png",
        "in/con\ntrol.png",
        "in/back\\slash.png",
        "in/ok.png",
    ):
        bucket.add(key, content)
    run = upscale("-i", f"{bucket.url}/in", "-o", "deep/out")
    assert run.returncode == 0 and run.stdout.count("its name can't be that of a file") == 5
    assert list(results(place / "deep/out")) == ["ok-sr.png"]
    assert sorted(path.name for path in place.iterdir()) == ["deep", "noise.png", "tmp"]


def files_of_noise(place):
    images.write(place / "noise.png", NOISE)
    return (place / "noise.png").read_bytes()


def test_a_folder_of_more_than_a_thousand_objects_is_listed_page_by_page(place, bucket, upscale):
    content = files_of_noise(place)
    for number in range(1005):
        bucket.add(f"many/.hidden/{number}", b"")
    for name in ("first", "last"):
        bucket.add(f"many/{name}.png", content)
    assert len(Store(f"{bucket.url}/many").entries()) == 1007
    run = upscale("-i", f"{bucket.url}/many", "-o", f"{bucket.url}/out", "--dry-run")
    assert run.returncode == 0 and "2 images" in run.stdout
    assert f"{bucket.url}/many/last.png -> {bucket.url}/out/last-sr.png: 12 x 9 -> 24 x 18" in run.stdout
    assert bucket.keys("out/") == bucket.journals("out/") == []


def test_one_object_becomes_the_file_that_is_named(place, bucket, upscale):
    bucket.put("in/a.png", files_of_noise(place))
    upscale("-i", "noise.png", "-o", "local.webp")
    for source, target in [(f"{bucket.url}/in/a.png", "out.webp"), ("noise.png", f"{bucket.url}/large.webp")]:
        run = upscale("-i", source, "-o", target)
        assert run.returncode == 0, run.stderr
    assert (place / "out.webp").read_bytes() == (place / "local.webp").read_bytes() == bucket.get("large.webp")
    beside = upscale("-i", f"{bucket.url}/in/a.png", "-o", f"{bucket.url}/in")
    assert beside.returncode == 0 and bucket.keys("in/") == ["in/a-sr.png", "in/a.png"]
    itself = upscale("-i", f"{bucket.url}/in/a.png", "-o", f"{bucket.url}/in/a.png", "--overwrite")
    assert itself.returncode == 1 and "is one of the images, which are never replaced" in itself.stderr


def test_web_pages_are_read_and_their_versions_kept(place, server, upscale):
    content = files_of_noise(place)
    server.pages["/a%20b.png"] = Page(content, headers={"ETag": '"1"'})
    url = f"{server.url}/a b.png"
    assert upscale("-i", "noise.png", "-o", "local").returncode == 0
    assert upscale("-i", f"{url}?token=secret", "-o", "out").returncode == 0
    assert results(place / "out") == {"a b-sr.png": results(place / "local")["noise-sr.png"]}
    missing = upscale("-i", f"{server.url}/missing.png?token=secret", "-o", "out")
    assert missing.returncode == 1 and "The server has no such file (404)" in missing.stderr
    assert "secret" not in missing.stdout + missing.stderr + (next((place / "out/.wdsr-tf").iterdir())).read_text()


def test_a_list_may_mix_files_objects_and_web_pages(place, bucket, server, upscale):
    content = files_of_noise(place)
    bucket.put("deep/b.png", content)
    server.pages["/c.png"] = Page(content)
    host = server.url.removeprefix("http://").replace(":", "_")
    missing = f"{bucket.url}/none.png"
    (place / "list").write_text("\n".join(["noise.png", f"{bucket.url}/deep/b.png", f"{server.url}/c.png", missing]))
    run = upscale("--list", "list", "-o", "out")
    assert run.returncode == 1 and "Wrote 3 of 4" in run.stdout and f"Failed: {missing}: no such object" in run.stderr
    names = {"noise-sr.png", f"{bucket.name}/deep/b-sr.png", f"{host}/c-sr.png"}
    assert results(place / "out").keys() == names and len(set(results(place / "out").values())) == 1
    again = upscale("--list", "list", "-o", f"{bucket.url}/out")
    assert again.returncode == 1 and in_bucket(bucket) == results(place / "out")


def test_journals_in_a_store_are_lines_that_a_local_journal_reads(place, bucket, upscale):
    bucket.put("in/a.png", files_of_noise(place))
    assert upscale("-i", f"{bucket.url}/in", "-o", f"{bucket.url}/out").returncode == 0
    (key,) = bucket.journals("out/")
    (line,) = bucket.get(key).decode().splitlines()
    said = json.loads(line)
    assert said["target"] == "a-sr.png" and said["source"] == "a.png"
    (place / "out/.wdsr-tf").mkdir(parents=True)
    (place / "out" / key.removeprefix("out/")).write_text(line + "\n")
    (place / "out/a-sr.png").write_bytes(bucket.get("out/a-sr.png"))
    assert said["target_sha256"] == files.sha256(place / "out/a-sr.png")
    assert "1 of 1 are done already" in upscale("-i", f"{bucket.url}/in", "-o", "out").stdout


def test_a_damaged_journal_costs_no_result_and_names_no_file(place, bucket, upscale):
    bucket.put("in/a.png", files_of_noise(place))
    bucket.put("out/.wdsr-tf/journal-x-1.jsonl", b"[" * 100000 + b'\n\xff\n{"target": "../../a"}\n{}\n[]\n1\n')
    assert upscale("-i", f"{bucket.url}/in", "-o", f"{bucket.url}/out").returncode == 0
    assert bucket.keys("out/") == ["out/a-sr.png"]


def test_videos_are_upscaled_between_stores_as_between_folders(place, bucket, upscale):
    pytest.importorskip("av", reason="needs the video extra")
    from tests.helpers import videos

    (place / "in").mkdir()
    videos.write(place / "in/film.mkv", times=videos.steady(3))
    images.write(place / "in/a.png", NOISE)
    fill(bucket, place / "in")
    assert upscale("-i", "in", "-o", "local").returncode == 0
    words = ["-i", f"{bucket.url}/in", "-o", f"{bucket.url}/out"]
    run = upscale(*words)
    assert run.returncode == 0 and "Wrote 2 of 2" in run.stdout, run
    assert in_bucket(bucket) == results(place / "local")
    assert "2 of 2 are done already" in upscale(*words).stdout
    assert "needs a local folder" in upscale(*words, "--resume").stderr
