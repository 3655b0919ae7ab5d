"""The flags of a command: absl's, with hyphens or underscores, and with profiles.

`--lr-patch-size` and `--lr_patch_size` are the same flag, and `--no-augment` is `--noaugment`. `--profile NAME` reads
flags from a file; flags on the command line take precedence. Flags and positional arguments can be mixed.
"""

import ast
import math
import re
from pathlib import Path

from absl import flags as absl_flags

from wdsr_tf.errors import InputError, line, suggestion

MAX_NAME = 64  # letters of a flag
NO_NUMBER = re.compile(r"(invalid literal for int|could not convert string to float).*")  # Python's words


class Flags(absl_flags.FlagValues):
    """absl's flag values with short definitions: `flags.integer("jobs", None, "Processes.", minimum=1)`.

    After `parse`, a value is an attribute: `flags.jobs`. `flags["jobs"].present` tells whether the flag was given,
    and `flags.is_typed("jobs")` whether it was typed rather than taken from a profile; only what is typed may be
    refused because it conflicts with another flag.
    """

    def __init__(self):
        super().__init__()
        # absl would take an ordinary attribute for a flag's value.
        self.__dict__.update(sections={}, sentences={}, retired_flags={}, _typed=(), _words=(), _heading=None)
        self.set_gnu_getopt(True)

    def section(self, title):
        """Starts a section of help: the flags that follow appear below this heading."""
        self.__dict__["_heading"] = title

    def string(self, name, default, help, short=None):
        self._define(absl_flags.DEFINE_string, name, default, help, short)

    def integer(self, name, default, help, short=None, minimum=None, maximum=None):
        self._define(absl_flags.DEFINE_integer, name, default, help, short, lower_bound=minimum, upper_bound=maximum)

    def number(self, name, default, help, short=None, minimum=None, maximum=None):
        self._define(absl_flags.DEFINE_float, name, default, help, short, lower_bound=minimum, upper_bound=maximum)

    def switch(self, name, default, help, short=None):
        self._define(absl_flags.DEFINE_bool, name, default, help, short)

    def choice(self, name, default, choices, help, short=None):
        self._define(absl_flags.DEFINE_enum, name, default, tuple(choices), help, short)

    def list(self, name, default, help, short=None):
        """Defines a flag that takes several values with commas between them."""
        self._define(absl_flags.DEFINE_list, name, default, help, short)

    def repeated(self, name, default, help, short=None):
        """Defines a flag that can be given several times."""
        self._define(absl_flags.DEFINE_multi_string, name, default, help, short)

    def alias(self, name, of):
        """Defines another name for the flag `of`, which help doesn't list."""
        absl_flags.DEFINE_alias(name, of, self)

    def retired(self, name, reason, is_switch=False):
        """Defines a flag of krasserm/wdsr that has lost its meaning: it is accepted, and `ignored` tells why."""
        define = self.switch if is_switch else self.string
        define(name, None, reason)
        self.retired_flags[name] = reason

    def _define(self, define, name, *rest, **bounds):
        *arguments, short = rest
        self.sentences[name] = arguments[-1]
        if self._heading:
            self.sections[name] = self._heading
            self.__dict__["_heading"] = None
        define(name, *arguments, flag_values=self, short_name=short, **bounds)

    def parse(self, argv, profiles=None):
        """Parses the arguments and returns the positional ones.

        Args:
            argv: the arguments, without the program's name.
            profiles: folder of the profiles that `--profile` can name; a path to a file works, too.

        Raises:
            InputError: for unknown flags and profiles, and for values that are out of bounds, NaN or infinite.
        """
        typed = [self._underscored(word) for word in argv]
        words = [*self._profile_flags(typed, profiles), *typed]
        positional = self._parsed(words)
        self.__dict__.update(_typed=typed, _words=words)
        return positional

    def parse_over(self, path):
        """Parses again: the flags in the file at `path`, overridden by those that `parse` was given."""
        self.unparse_flags()
        self._parsed([*map(self._underscored, read_flags(path)), *self._words])

    def ignored(self):
        """Returns a sentence for each retired flag that was given."""
        given = (name for name in self.retired_flags if self[name].present)
        return [f"{hyphenated(name)} is ignored: {self.retired_flags[name]}." for name in given]

    def is_typed(self, name, value=None):
        """Whether the flag was typed, not taken from a profile; of a repeated flag, whether this value was."""
        if value is not None:
            return value in self._typed or f"--{name}={value}" in self._typed
        return name in self._given(self._typed)

    def described(self):
        """Yields (flag, its sentence) in the order of definition, without aliases and retired flags."""
        for name, sentence in self.sentences.items():
            if name not in self.retired_flags:
                yield self[name], sentence

    def read_flags_from_files(self, argv, force_gnu=True):
        """Returns `argv`: absl's --flagfile would let a file of flags read any other file, without end."""
        return argv

    def _parsed(self, words):
        for word in words:  # absl would ignore others that the first one names, and compares long ones without end
            name = word.lstrip("-").partition("=")[0] if word.startswith("-") else ""
            if name == "undefok" or len(name) > MAX_NAME:
                raise InputError(f"Unknown flag {line(hyphenated(name))}. --help lists the flags.")
        try:
            positional = self(["", *words])[1:]
        except absl_flags.UnrecognizedFlagError as error:
            known = [hyphenated(flag.name) for flag, _ in self.described()]
            unknown = line(hyphenated(error.flagname))
            raise InputError(f"Unknown flag {unknown}. {suggestion(unknown, known)}--help lists the flags.") from None
        except absl_flags.Error as error:
            message = NO_NUMBER.sub("A number is expected", str(error).removeprefix("flag "))
            raise InputError(f"{line(hyphens(message))}.") from None
        for name, value in self.flag_values_dict().items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{hyphenated(name)}={value}: The value must be a finite number.")
        return positional

    def _given(self, words):
        """The names of the flags among `words`."""
        names = (word.lstrip("-").partition("=")[0] for word in words if word.startswith("-"))
        return frozenset(self[name].name if name in self else name.removeprefix("no") for name in names if name)

    def _underscored(self, word):
        """`--lr-patch-size=48` -> `--lr_patch_size=48`, `--no-augment` -> `--noaugment`."""
        if not word.startswith("--"):
            return word
        name, equals, value = word[2:].partition("=")
        name = name.replace("-", "_")
        positive = name.removeprefix("no_")
        if name not in self and positive in self and self[positive].boolean:
            name = f"no{positive}"
        return f"--{name}{equals}{value}"

    def _profile_flags(self, typed, profiles):
        """The flags of the profile that `typed` names, or none."""
        name = _profile_name(typed) if "profile" in self else None
        if name is None:
            return []
        path = profiles / name if profiles else Path(name)
        if not path.is_file():
            path = Path(name)  # a file of the user's own, such as a run's args.txt
        if not path.is_file():
            known = sorted(p.name for p in profiles.glob("[!_.]*")) if profiles and profiles.is_dir() else []
            hint = suggestion(name, known)
            raise InputError(f"Unknown profile {name!r}. {hint}Choose from {', '.join(known)}; or name a file.")
        return [self._underscored(word) for word in read_flags(path)]


def _profile_name(typed):
    name = None
    for word, following in zip(typed, [*typed, None][1:], strict=True):
        if word in ("-p", "--p", "--profile"):
            name = following
        elif word.startswith(("-p=", "--p=", "--profile=")):
            name = word.partition("=")[2]
    return name


def hyphenated(name):
    """Returns `--lr-patch-size` for `lr_patch_size`."""
    return "--" + name.replace("_", "-")


def hyphens(text):
    """Returns `text` with hyphens instead of underscores in the flags that it names."""
    return re.sub(r"--?[a-z]\w*", lambda match: match[0].replace("_", "-"), text)


def read_flags(path):
    """Returns the flags in a file with one flag per line; lines that start with `#` are comments."""
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{path} isn't a text file with one flag per line.") from None
    return [line for line in lines if line and not line.startswith("#")]


def setting(text):
    """Returns ("num_units", 9) for `num_units=9`, a value of --set.

    Values are Python literals; true, false and none work in any case, and anything else is text.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set takes NAME=VALUE, not {line(repr(text))}.")
    literal = value.capitalize() if value.lower() in ("true", "false", "none") else value
    try:
        return name.replace("-", "_"), ast.literal_eval(literal)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # what Python raises for odd text
        return name.replace("-", "_"), value
