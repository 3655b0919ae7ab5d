"""`--help` of a command: its own flags, in the order of their definition; and of a group: its members."""

import shutil
import textwrap

from wdsr_tf.commands.flags import hyphenated

COLUMN = 30  # of the descriptions of flags
PLACEHOLDERS = {"int": "N", "float": "X", "comma separated list of strings": "A,B"}


def help_text(command, program):
    """Returns usage, description and flags of the `Command` that `program` starts."""
    usage = f"Usage: {program} [FLAGS] {command.words}".rstrip()
    prose = (textwrap.fill(text, _width()) for text in (command.summary, *command.description.split("\n\n")) if text)
    return "\n".join(["\n\n".join([usage, *prose]), *_flag_lines(command.flags())])


def group_help(group, program, summaries):
    """Returns usage, summary and members of the `Group` that `program` starts; `summaries` is {name: sentence}."""
    noun = group.noun.upper()
    column = max(map(len, summaries)) + 4
    lines = [line for entry in summaries.items() for line in _entry(*entry, column)]
    usage, closing = f"Usage: {program} {noun} [FLAGS]", f"'{program} {noun} --help' lists the flags of a {group.noun}."
    return "\n".join([usage, "", group.summary, "", f"{group.noun.capitalize()}s:", *lines, "", closing])


def _flag_lines(flags):
    heading = "Flags"
    for flag, sentence in flags.described():
        heading = flags.sections.get(flag.name, heading)
        if heading:
            yield f"\n{heading}:"
            heading = None
        yield from _entry(_spelled(flag), _explained(flag, sentence))
    if flags.sections or heading:
        yield f"\n{heading}:" if heading else ""
    yield from _entry("-h, --help", "Show this help and exit.")


def _width():
    return min(shutil.get_terminal_size().columns, 110)


def _entry(left, text, column=COLUMN):
    """Lines with `left` and, in its column, `text`; it starts a line below if `left` is too long."""
    lines = textwrap.wrap(text, max(20, _width() - column)) or [""]
    indent = " " * column
    if len(left) + 4 > column:
        return [f"  {left}", *(indent + line for line in lines)]
    return [f"  {left}".ljust(column) + lines[0], *(indent + line for line in lines[1:])]


def _spelled(flag):
    short = f"-{flag.short_name}, " if flag.short_name else ""
    if flag.boolean:
        return short + (f"--[no-]{hyphenated(flag.name)[2:]}" if flag.default else hyphenated(flag.name))
    choices = getattr(flag.parser, "enum_values", None)
    placeholder = "|".join(choices) if choices else PLACEHOLDERS.get(flag.parser.flag_type(), "TEXT")
    return f"{short}{hyphenated(flag.name)} {placeholder}"


def _explained(flag, sentence):
    """The flag's sentence, with the default if the sentence doesn't state it."""
    default = flag.default
    if flag.boolean or default in (None, "", []) or "default" in sentence.lower():
        return sentence
    return f"{sentence} Default: {','.join(default) if isinstance(default, list) else default}."
