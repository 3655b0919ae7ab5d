"""Commands behind one name: `wdsr-tf VERB`, and `convert.py MODE` within it."""

import dataclasses
import importlib

from wdsr_tf.commands.command import complain, prepare_process, say
from wdsr_tf.errors import suggestion


@dataclasses.dataclass(frozen=True)
class Group:
    """A word that chooses among commands; it may stand before, between or after the flags.

    Attributes:
        name: of the group itself, such as "convert"; empty for the program.
        summary: one sentence.
        members: name -> the module that holds its `COMMAND`, imported when it's needed.
        noun: what a member is called, such as "verb".
    """

    name: str
    summary: str
    members: dict[str, str]
    noun: str = "verb"

    def main(self, argv, program=None):
        """Runs the member that `argv` names and returns its exit code."""
        prepare_process()
        program = program or f"wdsr-tf {self.name}".rstrip()
        place = self._place(argv)
        if place is not None and argv[place] in self.members:
            name = argv[place]
            return self._member(name).main([*argv[:place], *argv[place + 1 :]], f"{program} {name}")
        if place is None and {"-h", "--help"} & {*argv}:
            say(self._help(program))
            return 0
        known = ", ".join(self.members)
        if place is None:
            complain(f"{program}: Missing {self.noun}. Choose one of {known}. '{program} --help' explains them.")
        else:
            hint = suggestion(argv[place], self.members)
            complain(f"{program}: Unknown {self.noun} {argv[place]!r}. {hint}Choose one of {known}.")
        return 1

    def _member(self, name):
        return importlib.import_module(self.members[name]).COMMAND

    def _place(self, argv):
        """The index in `argv` of the first word that is neither a flag nor a flag's value, or None."""
        if argv and not argv[0].startswith("-"):
            return 0
        skip = False
        for place, word in enumerate(argv):
            if skip:
                skip = False
            elif not word.startswith("-"):
                return place
            else:
                skip = self.takes_value(word)
        return None

    def takes_value(self, word):
        """Whether the flag `word` of any member is followed by its value."""
        return any(self._member(name).takes_value(word) for name in self.members)

    def _help(self, program):
        width = max(map(len, self.members))
        lines = [f"  {name.ljust(width)}  {self._member(name).summary}" for name in self.members]
        usage = f"Usage: {program} {self.noun.upper()} [FLAGS]"
        closing = f"'{program} {self.noun.upper()} --help' lists the flags of one."
        return "\n".join([usage, "", self.summary, "", f"{self.noun.capitalize()}s:", *lines, "", closing])
