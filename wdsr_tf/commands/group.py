"""Several commands under one name: `wdsr-tf VERB` and `convert.py MODE`."""

import dataclasses
import importlib

from wdsr_tf.commands.command import prepare_process
from wdsr_tf.commands.help import group_help
from wdsr_tf.commands.output import complain, guarded_output, say
from wdsr_tf.errors import suggestion


@dataclasses.dataclass(frozen=True)
class Group:
    """A set of commands. The word that chooses one can precede, follow or separate the flags.

    Args:
        name: the group's name, such as "convert"; empty for `wdsr-tf` itself.
        summary: one sentence, for help.
        members: {name: module with its `COMMAND`}; modules are imported when they are needed.
        noun: what a member is called.
    """

    name: str
    summary: str
    members: dict[str, str]
    noun: str = "verb"

    def main(self, argv, program=None):
        """Runs the member that `argv` names and returns its exit code; see `Command.main`."""
        prepare_process()
        with guarded_output():
            return self._main(argv, program or f"wdsr-tf {self.name}".rstrip())

    def _main(self, argv, program):
        place = self._place(argv)
        name = None if place is None else argv[place]
        if name in self.members:
            return self._member(name).main([*argv[:place], *argv[place + 1 :]], f"{program} {name}")
        if name is None and {"-h", "--help"} & {*argv}:
            say(group_help(self, program, {name: self._member(name).summary for name in self.members}))
            return 0
        wrong = f"Missing {self.noun}" if name is None else f"Unknown {self.noun} {name!r}"
        hint = "" if name is None else suggestion(name, self.members)
        complain(f"{program}: {wrong}. {hint}Choose from {', '.join(self.members)}. '{program} --help' explains them.")
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
        """Whether `word` is a flag of any member whose value is the next argument."""
        return any(self._member(name).takes_value(word) for name in self.members)
