"""What the four commands share: flags in any spelling, profiles, and errors that read as sentences.

A script ends with `app.run(main, flags_parser=cli.parse)`; absl does the rest (help, suggestions, exit codes).
"""

import difflib
import logging
import os
import sys
from pathlib import Path

from absl import flags

from wdsr_tf.errors import InputError

FLAGS = flags.FLAGS


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
    return FLAGS([argv[0], *profile_flags(typed, profiles), *typed])


def underscored(word):
    """`--lr-patch-size=48` -> `--lr_patch_size=48`; anything but a flag's name stays as it is."""
    if not word.startswith("--"):
        return word
    name, equals, value = word.partition("=")
    return "--" + name[2:].replace("-", "_") + equals + value


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
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise flags.Error(f"there is no profile {name!r}; {hint}known are {', '.join(known)}")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [underscored(line) for line in lines if line and not line.startswith("#")]


def _profile_name(typed):
    name = None
    for word, following in zip(typed, [*typed[1:], None], strict=True):
        if word in ("-p", "--p", "--profile"):
            name = following
        elif word.startswith(("-p=", "--p=", "--profile=")):
            name = word.partition("=")[2]
    return name


def typed_flags(module_flags):
    """All flags of a command as `--name=value` lines, sorted: a file of them replays the command."""
    lines = (flag.serialize() for flag in module_flags if flag.value is not None)
    return sorted(line for text in lines for line in text.splitlines() if line)


def say(*words):
    """Prints a line at once, also where the output is a pipe."""
    print(*words, flush=True)


def guarded(main):
    """Wraps a command's main: an error that the person can mend ends it with one sentence and exit code 1."""

    def run(argv):
        try:
            return main(argv)
        except (InputError, OSError) as error:
            if os.environ.get("WDSR_TF_TRACEBACK"):
                raise
            print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nstopped", file=sys.stderr)
            return 130

    return run
