import io
import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from wdsr_tf.commands.output import complain, guarded_output, say

TALK = """
import sys
from tqdm import tqdm
from wdsr_tf.commands.command import Command
from wdsr_tf.commands.output import complain, say

def run(flags, words):
    for _ in tqdm(range(9)):
        say("x" * 999, "caf\\udce9 \\u65e5")
        complain("y" * 999, "caf\\udce9 \\u65e5")
        print("z" * 9999, "\\u65e5")
    open(words[0], "w").write("done")
    return 3

sys.exit(Command("act", "Acts.", lambda flags: None, run, words="FILE").main([sys.argv[1]]))
"""


def test_say_and_complain_print_to_stdout_and_stderr(capsys):
    say("a", 1)
    complain("b")
    assert capsys.readouterr() == ("a 1\n", "b\n")


@pytest.mark.parametrize(
    "redirection, encoding",
    [("", "ascii"), ("", "utf-8")]
    + [(way, "utf-8") for way in (">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full")],
)
def test_whatever_happens_to_the_streams_the_work_is_done_with_its_exit_code(tmp_path, redirection, encoding):
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" "$2" {redirection}', sys.executable, TALK, tmp_path / "file"],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3 and b"Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "done"


def test_a_closed_pipe_does_not_stop_the_command(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", TALK, tmp_path / "file"]
    done = subprocess.run(command, cwd=REPOSITORY, stdout=writing, stderr=writing, check=False)
    os.close(writing)
    assert done.returncode == 3 and (tmp_path / "file").read_text() == "done"


def test_without_streams_nothing_is_printed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    say("a")
    complain("b")
    with guarded_output():
        print("a", file=sys.stderr)
        sys.stdout.write("b")
    assert sys.stdout is None and sys.stderr is None


def test_what_a_stream_cannot_encode_is_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    say("\u65e5", "\udce9")
    assert stream.buffer.getvalue() == b"\\u65e5 \\udce9\n"


def test_control_characters_are_escaped(capsys):
    say("a\x1b[2Jb\rc\x07d\x9be\u202ef\tg\nh \u65e5")
    assert capsys.readouterr().out == "a\\x1b[2Jb\\x0dc\\x07d\\x9be\\u202ef\tg\nh \u65e5\n"
    say("plain \u00e4")
    assert capsys.readouterr().out == "plain \u00e4\n"
