import os
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.helpers.commands import runner
from wdsr_tf.commands.command import Command, say
from wdsr_tf.errors import InputError


def define(flags):
    flags.string("outdir", "./out", "A folder.", short="o")
    flags.switch("quick", False, "A switch.")
    flags.retired("num_workers", "one process does the work")


def act(flags, words):
    """Does what the flag `outdir` says."""
    if flags.outdir == "unusable":
        raise InputError("This folder is unusable. Name another.")
    if flags.outdir == "missing":
        raise FileNotFoundError(2, "No such file or directory", "missing")
    if flags.outdir == "defect":
        raise KeyError("a defect")
    if flags.outdir == "stopped":
        raise KeyboardInterrupt
    say(flags.outdir, words)
    return 3 if flags.outdir == "failed" else None


COMMAND = Command("act", "Does something.", define, act, words="[WORD ...]")


@pytest.fixture
def run(capsys):
    return runner(COMMAND.main, capsys)


def test_the_exit_code_is_the_commands_or_zero(run):
    done = run("a", "-o", "b", "c")
    assert (done.returncode, done.stdout, done.stderr) == (0, "b ['a', 'c']\n", "")
    assert run("-o", "failed").returncode == 3


@pytest.mark.parametrize(
    "words, message",
    [
        (["-o", "unusable"], "wdsr-tf act: This folder is unusable. Name another.\n"),
        (["-o", "missing"], "wdsr-tf act: missing: No such file or directory\n"),
        (["--outdri=x"], "wdsr-tf act: Unknown flag --outdri. Did you mean '--outdir'? --help lists the flags.\n"),
    ],
)
def test_an_error_that_the_user_can_fix_is_one_message_and_exit_code_1(run, words, message):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


def test_errors_start_with_the_program_that_the_user_typed(capsys):
    assert COMMAND.main(["-o", "unusable"], "act.py") == 1
    assert capsys.readouterr().err.startswith("act.py: This folder")


def test_positional_arguments_are_refused_unless_the_command_takes_them(capsys):
    run = runner(Command("act", "Does something.", define, act).main, capsys)
    done = run("a", "b")
    assert done.returncode == 1
    assert done.stderr == "wdsr-tf act: Unexpected argument 'a'. 'wdsr-tf act --help' lists the flags.\n"


def test_a_defect_keeps_its_traceback():
    with pytest.raises(KeyError, match="a defect"):
        COMMAND.main(["-o", "defect"])


def test_the_traceback_of_an_error_is_shown_on_request(monkeypatch):
    monkeypatch.setenv("WDSR_TF_TRACEBACK", "1")
    with pytest.raises(InputError, match="unusable"):
        COMMAND.main(["-o", "unusable"])


def test_ctrl_c_is_exit_code_130(run):
    done = run("-o", "stopped")
    assert (done.returncode, done.stderr) == (130, "\nInterrupted.\n")


def test_a_retired_flag_is_accepted_with_the_reason(run):
    done = run("--num-workers=4")
    assert (done.returncode, done.stdout) == (0, "./out []\n")
    assert done.stderr == "wdsr-tf act: --num-workers is ignored: one process does the work.\n"


def test_flags_after_a_double_dash_are_arguments(run):
    assert run("--", "--help", "-o").stdout == "./out ['--help', '-o']\n"


def test_each_call_has_new_flags(run):
    assert run("--quick", "-o", "x").stdout == "x []\n"
    assert run().stdout == "./out []\n"


@pytest.mark.parametrize("word, expected", [("-o", True), ("--outdir", True), ("-o=x", False), ("--quick", False)])
def test_a_command_knows_which_flags_take_the_next_argument(word, expected):
    assert COMMAND.takes_value(word) is expected


TERMINATED = """
import os, signal, sys, time
from wdsr_tf.commands.command import Command

def wait(flags, words):
    {body}

code = Command("act", "Does something.", lambda flags: None, wait).main([])
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
sys.exit(code)
"""
WAIT = """
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        time.sleep(0.01)
"""
INTERRUPT = """
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    except BaseException:
        raise KeyboardInterrupt from None
"""


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.parametrize("body", [pytest.param(WAIT, id="wait"), pytest.param(INTERRUPT, id="a library's interrupt")])
def test_sigterm_ends_a_command_like_ctrl_c_and_is_not_taken_for_it(body):
    """In a process of its own: signals are no business of one that runs other tests, and threads of many libraries."""
    words = [sys.executable, "-c", TERMINATED.format(body=body.strip())]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (143, "\nTerminated.\n")
