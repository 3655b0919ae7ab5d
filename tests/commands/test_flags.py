import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

COMMAND = '''
"""A command with a few flags."""

import sys

sys.path.insert(0, {repository!r})

from absl import app, flags

from wdsr_tf.commands import flags as cli
from wdsr_tf.errors import InputError

FLAGS = flags.FLAGS
flags.DEFINE_string("profile", None, "Flags from a file.", short_name="p")
flags.DEFINE_integer("lr_patch_size", 48, "A number.", lower_bound=1)
flags.DEFINE_bool("augment", True, "A switch.")
flags.DEFINE_float("factor", 0.5, "A factor.", lower_bound=0)
flags.DEFINE_multi_string("set", [], "A list.")
flags.DEFINE_string("outdir", "./out", "A folder.", short_name="o")
cli.define_retired("num_workers", "the work is done by one")


def main(argv):
    if FLAGS.outdir == "unusable":
        raise InputError("this folder is unusable; name another")
    if FLAGS.outdir == "defect":
        raise KeyError("a defect")
    cli.say(argv[1:])
    if FLAGS.outdir == "typed":
        names = ("augment", "factor", "outdir", "lr_patch_size", "set")
        cli.say([name for name in names if cli.is_typed(name)])
    for line in cli.effective_flags(leave_out=("profile",)):
        cli.say(line)


if __name__ == "__main__":
    app.run(cli.guarded(main), flags_parser=cli.parse)
'''


@pytest.fixture
def command(tmp_path):
    """Runs a command of a few flags that has three profiles, from a folder of its own."""
    script = tmp_path / "command.py"
    script.write_text(COMMAND.format(repository=str(REPOSITORY)))
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "small").write_text("# A profile.\n\n  --lr-patch-size=16\n--noaugment\n")
    (tmp_path / "profiles" / "misspelt").write_text("--lr-patchsize=16\n")
    (tmp_path / "profiles" / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "elsewhere").mkdir()

    def run(*arguments):
        return subprocess.run(
            [sys.executable, script, *arguments], cwd=tmp_path / "elsewhere", capture_output=True, text=True
        )

    return run


def printed(done):
    """The positional arguments and the flags that the command saw."""
    assert done.returncode == 0, done.stderr
    positional, *lines = done.stdout.splitlines()
    return positional, set(lines)


def test_hyphens_and_underscores_name_the_same_flag(command):
    for spelling in (["--lr-patch-size=32"], ["--lr_patch_size", "32"], ["--lr-patch_size=32"]):
        _, flags = printed(command(*spelling))
        assert "--lr_patch_size=32" in flags


def test_only_a_flags_name_is_respelt(command):
    positional, flags = printed(
        command("my-folder", "--outdir=some-where", "--set", "a-b=c-d", "-o", "x-y", "other-one")
    )
    assert positional == "['my-folder', 'other-one']"
    assert {"--outdir=x-y", "--set=a-b=c-d"} <= flags


@pytest.mark.parametrize("spelling", ["--noaugment", "--no-augment", "--no_augment", "--augment=false"])
def test_a_switch_is_turned_off_in_any_spelling(command, spelling):
    _, flags = printed(command(spelling))
    assert "--noaugment" in flags


def test_what_is_typed_is_told_from_what_a_profile_gives(command):
    done = command("-p", "small", "--no-augment", "--factor=1", "-o", "typed")
    assert done.stdout.splitlines()[1] == "['augment', 'factor', 'outdir']"


@pytest.mark.parametrize("spelling", [["--profile", "small"], ["--profile=small"], ["-p", "small"]])
def test_a_profile_changes_defaults(command, spelling):
    _, flags = printed(command(*spelling))
    assert {"--lr_patch_size=16", "--noaugment", "--outdir=./out"} <= flags


def test_what_is_typed_wins_over_the_profile_wherever_it_stands(command):
    for typed in (["--lr-patch-size=24", "-p", "small"], ["-p", "small", "--lr-patch-size=24"]):
        _, flags = printed(command(*typed))
        assert {"--lr_patch_size=24", "--noaugment"} <= flags


@pytest.mark.parametrize(
    "arguments, messages",
    [
        (["--lr-patchsize=16"], ["lr_patchsize", "lr_patch_size"]),
        (["-p", "misspelt"], ["lr_patchsize", "lr_patch_size"]),
        (["-p", "smal"], ["'smal'", "did you mean small?", "misspelt"]),
        (["-p", "binary"], ["binary: is no file of flags"]),
        (["-p", "x" * 300], ["File name too long"]),
        (["--lr-patch-size=0"], ["lr_patch_size", "0"]),
        (["--factor=nan"], ["factor", "finite"]),
        (["--factor=inf"], ["factor", "finite"]),
        (["--lr-patch-size=many"], ["lr_patch_size", "many"]),
        (["--outdir=unusable"], ["command.py: this folder is unusable; name another"]),
    ],
)
def test_a_mistake_ends_with_one_message_that_helps_and_exit_code_1(command, arguments, messages):
    done = command(*arguments)
    assert done.returncode == 1
    assert all(message in done.stderr + done.stdout for message in messages)
    assert "Traceback" not in done.stderr + done.stdout


def test_a_defect_keeps_its_traceback(command):
    done = command("--outdir=defect")
    assert done.returncode != 0
    assert "Traceback" in done.stderr and "a defect" in done.stderr


def test_the_flags_that_a_run_wrote_down_replay_it(command, tmp_path):
    _, flags = printed(command("-p", "small", "--set=a=1", "--set=b=two words", "-o", "somewhere"))
    (tmp_path / "args.txt").write_text("\n".join(flags))
    assert printed(command("-p", str(tmp_path / "args.txt"))) == ("[]", flags)


def test_a_retired_flag_is_accepted_with_the_reason_and_not_written_down(command):
    done = command("--num-workers=4")
    assert "--num-workers is ignored: the work is done by one" in done.stderr
    _, flags = printed(done)
    assert not any("num_workers" in flag for flag in flags)


@pytest.mark.parametrize("script", ["convert.py", "train.py", "bench.py", "demo.py"])
def test_help_imports_neither_keras_nor_tensorflow(script):
    program = (
        "import runpy, sys; sys.argv = [sys.argv[1], '--help']\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: assert not {'keras', 'tensorflow', 'jax'} & sys.modules.keys(), 'slow'; print('fast')"
    )
    done = subprocess.run([sys.executable, "-c", program, script], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "fast", done.stderr
