"""The flags of one command: absl's, in any spelling, with profiles.

`--lr-patch-size` and `--lr_patch_size` are the same flag, and `--no-augment` is `--noaugment`. `--profile NAME` reads
flags from a file; flags on the command line win. Flags and positional arguments can be mixed.
"""

import ast
import math
import re
from pathlib import Path

from absl import flags as absl_flags

from wdsr_tf.errors import InputError, suggestion


class Flags(absl_flags.FlagValues):
    """absl's flag values with short definitions: `flags.integer("jobs", None, "Processes.", minimum=1)`.

    A parsed value is an attribute: `flags.jobs`; `flags["jobs"].present` tells whether it was given at all, and
    `flags.is_typed("jobs")` whether it was typed rather than taken from a profile.
    """

    def __init__(self):
        super().__init__()
        # absl takes an assigned attribute for a flag's value, so these go into the dictionary.
        self.__dict__.update(sections={}, sentences={}, retired_flags={}, _typed=frozenset(), _words=(), _heading=None)
        self.set_gnu_getopt(True)

    def section(self, title):
        """Puts a heading above the flags that follow, in help."""
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
        """A flag that takes several values with commas between them."""
        self._define(absl_flags.DEFINE_list, name, default, help, short)

    def repeated(self, name, default, help, short=None):
        """A flag that may be given several times."""
        self._define(absl_flags.DEFINE_multi_string, name, default, help, short)

    def alias(self, name, of):
        """Another name for the flag `of`, which help doesn't list."""
        absl_flags.DEFINE_alias(name, of, self)

    def retired(self, name, reason, is_switch=False):
        """A flag of krasserm/wdsr that has lost its meaning: accepted, with a line that says why."""
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
        """Parses `argv`, which has no program name, and returns the positional arguments.

        Raises InputError for unknown flags and for values out of bounds; NaN and infinity are out of any.
        """
        typed = [self._underscored(word) for word in argv]
        words = [*self._profile_flags(typed, profiles), *typed]
        positional = self._parsed(words)
        self.__dict__.update(_typed=self._given(typed), _words=words)
        return positional

    def parse_over(self, path):
        """Parses again: the flags in the file at `path`, and on top of them what `parse` was given."""
        self.unparse_flags()
        self._parsed([*map(self._underscored, read_flags(path)), *self._words])

    def ignored(self):
        """A sentence for each retired flag that was given."""
        given = (name for name in self.retired_flags if self[name].present)
        return [f"{hyphenated(name)} is ignored: {self.retired_flags[name]}." for name in given]

    def is_typed(self, name):
        """Whether the flag was typed, not taken from a profile or a default."""
        return name in self._typed

    def described(self):
        """Yields (flag, its sentence) in the order of definition; without aliases and retired flags."""
        for name, sentence in self.sentences.items():
            if name not in self.retired_flags:
                yield self[name], sentence

    def _parsed(self, words):
        try:
            positional = self(["", *words])[1:]
        except absl_flags.UnrecognizedFlagError as error:
            known = [hyphenated(flag.name) for flag, _ in self.described()]
            unknown = hyphenated(error.flagname)
            raise InputError(f"Unknown flag {unknown}. {suggestion(unknown, known)}".rstrip()) from None
        except absl_flags.Error as error:
            raise InputError(f"{hyphens(str(error))}.") from None
        for name, value in self.flag_values_dict().items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{hyphenated(name)}={value}: the value must be a finite number.")
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
            raise InputError(f"Unknown profile {name!r}. {hint}Profiles: {', '.join(known)}; or a file's path.")
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
    """`lr_patch_size` -> `--lr-patch-size`, as help and messages write it."""
    return "--" + name.replace("_", "-")


def hyphens(text):
    """`text` with hyphens in the flags that it names."""
    return re.sub(r"--?[a-z]\w*", lambda match: match[0].replace("_", "-"), text)


def read_flags(path):
    """The flags in a file with one flag per line; lines that begin with `#` are comments."""
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file with one flag per line.") from None
    return [line for line in lines if line and not line.startswith("#")]


def setting(text):
    """`"num_units=9"` of --set -> ("num_units", 9); true, false and none in any case; other text stays text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set takes NAME=VALUE, not {text!r}.")
    literal = value.capitalize() if value.lower() in ("true", "false", "none") else value
    try:
        return name.replace("-", "_"), ast.literal_eval(literal)
    except (ValueError, SyntaxError):
        return name.replace("-", "_"), value
