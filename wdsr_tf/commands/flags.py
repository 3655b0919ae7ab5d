"""What the four commands share: flags in any spelling, profiles, and errors that read as sentences.

A script ends with `app.run(main, flags_parser=cli.parse)`; absl does the rest (help, suggestions, exit codes).
"""

import ast
import logging
import math
import os
import sys
from pathlib import Path

from absl import flags

from wdsr_tf.errors import InputError, suggestion
from wdsr_tf.system.quiet import load_keras  # noqa: F401  (scripts say cli.load_keras)

FLAGS = flags.FLAGS
_retired = {}


def parse(argv, profiles=None):
    """Parses `argv` for `app.run` and returns the positional arguments behind the program's name.

    `--lr-patch-size` and `--lr_patch_size` are the same flag. `--profile NAME` (or `-p`) puts the flags of
    `profiles/NAME` before what is typed, so that what is typed wins. Flags and positional arguments may be mixed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported: keeps its banners away
    logging.captureWarnings(True)
    profiles = profiles or Path(argv[0]).resolve().parent / "profiles"
    typed = [underscored(word) for word in argv[1:]]
    FLAGS.set_gnu_getopt(True)
    try:
        positional = _parsed([argv[0], *profile_flags(typed, profiles), *typed])
    except (flags.Error, OSError) as error:  # absl explains its own only where it parses itself
        sys.exit(f"{Path(argv[0]).name}: {error}")
    for name, reason in _retired.items():
        if FLAGS[name].present:
            print(f"--{name.replace('_', '-')} is ignored: {reason}", file=sys.stderr)
    return positional


def _parsed(words):
    """What `FLAGS(words)` returns; refuses nan and infinity, which are within any bounds."""
    positional = FLAGS(words)
    for name, value in FLAGS.flag_values_dict().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise flags.IllegalFlagValueError(f"flag --{name}={value}: takes a finite number")
    return positional


def underscored(word):
    """`--lr-patch-size=48` -> `--lr_patch_size=48`, `--no-augment` -> `--noaugment`; all but a flag's name stays."""
    if not word.startswith("--"):
        return word
    name, equals, value = word[2:].partition("=")
    name = name.replace("-", "_")
    positive = name.removeprefix("no_")
    if name not in FLAGS and positive in FLAGS and FLAGS[positive].boolean:
        name = f"no{positive}"
    return f"--{name}{equals}{value}"


def is_typed(name):
    """Whether the flag `name` was typed, not taken from a profile or a run's args.txt."""
    words = [underscored(word).lstrip("-").partition("=")[0] for word in sys.argv[1:] if word.startswith("-")]
    return any(word == f"no{name}" or (word in FLAGS and FLAGS[word].name == name) for word in words)


def profile_flags(typed, profiles):
    """The flags of the profile that `typed` asks for, or none."""
    name = _profile_name(typed)
    if name is None:
        return []
    path = profiles / name
    if not path.is_file():
        path = Path(name)  # a file of the person's own, such as a run's args.txt
    if not path.is_file():
        known = sorted(p.name for p in profiles.glob("*")) if profiles.is_dir() else []
        raise flags.Error(f"there is no profile {name!r}; {suggestion(name, known)}known are {', '.join(known)}")
    return read_flags(path)


def read_flags(path):
    """The flags in a file of one flag a line; `#` begins a comment line."""
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError:
        raise flags.Error(f"{path}: is no file of flags, a flag a line, but something binary") from None
    return [underscored(line) for line in lines if line and not line.startswith("#")]


def setting(text):
    """`"num_units=9"` of --set -> ("num_units", 9); true, false and none in any case; what is no literal stays text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set takes name=value; given was {text!r}")
    literal = value.capitalize() if value.lower() in ("true", "false", "none") else value
    try:
        return name.replace("-", "_"), ast.literal_eval(literal)
    except (ValueError, SyntaxError):
        return name.replace("-", "_"), value


def replay(path, profiles=None):
    """Parses again, with the flags in `path` (a run's args.txt) before the profile and what is typed."""
    profiles = profiles or Path(sys.argv[0]).resolve().parent / "profiles"
    typed = [underscored(word) for word in sys.argv[1:]]
    FLAGS.unparse_flags()
    _parsed([sys.argv[0], *read_flags(path), *profile_flags(typed, profiles), *typed])


def define_retired(name, reason, define=flags.DEFINE_string):
    """Accepts a flag of the ancestor that has lost its meaning; `parse` warns with the reason when it is given."""
    define(name, None, f"no longer needed: {reason}")
    _retired[name] = reason


def _profile_name(typed):
    name = None
    for word, following in zip(typed, [*typed, None][1:], strict=True):
        if word in ("-p", "--p", "--profile"):
            name = following
        elif word.startswith(("-p=", "--p=", "--profile=")):
            name = word.partition("=")[2]
    return name


def effective_flags(leave_out=()):
    """Every flag of the command as it stands, as sorted `--name=value` lines: a file of them replays the command."""
    listed = FLAGS.get_key_flags_for_module(sys.argv[0])
    wanted = (f for f in listed if f.value is not None and f.name not in {*leave_out, *_retired})
    return sorted(line for flag in wanted for line in flag.serialize().splitlines())


def say(*words):
    """Prints a line at once, also where the output is a pipe."""
    print(*words, flush=True)


def guarded(main):
    """Wraps a command's main: an error that the person can mend ends it with one sentence and exit code 1."""

    def run(argv):
        try:
            return main(argv)
        except (InputError, OSError, flags.Error) as error:
            if os.environ.get("WDSR_TF_TRACEBACK"):
                raise
            print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            return 130

    return run
