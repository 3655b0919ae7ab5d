import sys
from types import SimpleNamespace

import pytest

from tests.helpers.commands import runner
from wdsr_tf.commands.command import Command, say
from wdsr_tf.commands.group import Group


def define_first(flags):
    flags.string("indir", None, "A folder.", short="i")
    flags.switch("verify", False, "A switch.")


def define_second(flags):
    flags.integer("scale", 2, "A number.", short="s")


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a group that has two commands and a group of one."""
    members = {
        "first": Command("first", "Does one thing.", define_first, lambda flags, words: say("first", flags.indir)),
        "second": Command("second", "Does another.", define_second, lambda flags, words: 2),
    }
    members["inner"] = Group("inner", "Contains one.", {"first": "group_first"}, noun="mode")
    for name, command in members.items():
        monkeypatch.setitem(sys.modules, f"group_{name}", SimpleNamespace(COMMAND=command))
    return runner(Group("", "Does much.", {name: f"group_{name}" for name in members}).main, capsys)


@pytest.mark.parametrize(
    "words",
    [
        ["first", "-i", "x", "--verify"],
        ["-i", "x", "--verify", "first"],
        ["-i", "x", "first", "--verify"],
        ["--verify", "first", "--indir=x"],
        ["--indir=x", "--verify", "first"],
        ["inner", "first", "-i", "x"],
        ["inner", "-i", "x", "--verify", "first"],
    ],
)
def test_the_word_that_chooses_can_precede_follow_or_separate_the_flags(run, words):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "first x\n", "")


def test_the_value_of_a_flag_is_not_the_word_that_chooses(run):
    assert run("-i", "second", "first").stdout == "first second\n"
    assert run("-s", "3", "second").returncode == 2


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "wdsr-tf: Missing verb. Choose from first, second, inner. 'wdsr-tf --help' explains them."),
        (["-i", "x"], "wdsr-tf: Missing verb. Choose from first, second, inner. 'wdsr-tf --help' explains them."),
        (["frist"], "wdsr-tf: Unknown verb 'frist'. Did you mean 'first'? Choose from first, second, inner. "),
        (["-i", "x", "third"], "wdsr-tf: Unknown verb 'third'. "),
        (["second", "--indir=x"], "wdsr-tf second: Unknown flag --indir. "),
        (["inner", "second"], "wdsr-tf inner: Unknown mode 'second'. Choose from first. "),
        (["inner", "first", "--scale=2"], "wdsr-tf inner first: Unknown flag --scale. "),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_1(run, words, message):
    done = run(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1


def test_help_lists_the_members(run):
    for words in (["--help"], ["-h"]):
        done = run(*words)
        assert done.returncode == 0
        assert done.stdout.splitlines() == [
            "Usage: wdsr-tf VERB [FLAGS]",
            "",
            "Does much.",
            "",
            "Verbs:",
            "  first   Does one thing.",
            "  second  Does another.",
            "  inner   Contains one.",
            "",
            "'wdsr-tf VERB --help' lists the flags of a verb.",
        ]
    assert run("inner", "--help").stdout.startswith("Usage: wdsr-tf inner MODE [FLAGS]\n\nContains one.\n\nModes:\n")


@pytest.mark.parametrize("words", [["second", "--help"], ["--help", "second"], ["-s", "3", "-h", "second"]])
def test_help_of_a_member_is_its_own(run, words):
    done = run(*words)
    assert done.stdout.startswith("Usage: wdsr-tf second [FLAGS]\n") and "--indir" not in done.stdout
