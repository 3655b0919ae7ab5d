"""Sound, half-sound, and broken pictures of every format: none is lost in silence."""

import json
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.helpers import picture_fuzz

COUNT = 3000
MOST_MIB = 1024


@pytest.fixture(autouse=True)
def packages():
    for package in ("imagecodecs", "tifffile", "pillow_heif", "pillow_jxl"):
        pytest.importorskip(package)


@pytest.mark.filterwarnings("ignore")  # from Pillow and tifffile about broken files
def test_random_pictures_of_every_format_are_read_or_named(tmp_path):
    counters = picture_fuzz.run(tmp_path, 3 * len(picture_fuzz.KINDS), seed=0)
    assert counters["images in"] == counters["images out"] + counters["images named"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads peak memory in KiB, as Linux has it")
def test_thousands_of_pictures_are_read_or_named_in_bounded_memory_and_time():
    command = [sys.executable, "-m", "tests.helpers.picture_fuzz", str(COUNT), "1"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counters = json.loads(done.stdout)
    assert counters["images in"] == counters["images out"] + counters["images named"]
    assert counters["sound files"] == counters["with damaged metadata, pixels equal"] == COUNT // 3
    assert min(counters["damaged files, read"], counters["damaged files, refused"]) > COUNT // 30
    assert counters["peak MiB"] < MOST_MIB
