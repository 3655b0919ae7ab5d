"""The `--help` of a command: its own flags, in the order in which they were defined."""

import shutil
import textwrap

from wdsr_tf.commands.flags import hyphenated

COLUMN = 30  # where descriptions begin
PLACEHOLDERS = {"int": "N", "float": "X", "comma separated list of strings": "A,B"}


def help_text(command, program):
    """Usage, description and flags of the `Command`, as `program` starts it."""
    width = min(shutil.get_terminal_size().columns, 110)
    usage = f"Usage: {program} [FLAGS] {command.words}".rstrip()
    prose = (textwrap.fill(text, width) for text in (command.summary, *command.description.split("\n\n")) if text)
    return "\n".join(["\n\n".join([usage, *prose]), *_flag_lines(command.flags(), width)])


def _flag_lines(flags, width):
    if not flags.sections:
        yield "\nFlags:"
    for flag, sentence in flags.described():
        if flag.name in flags.sections:
            yield f"\n{flags.sections[flag.name]}:"
        yield from _entry(_spelled(flag), _explained(flag, sentence), width)
    yield from _entry("-h, --help", "Show this help and exit.", width)


def _entry(left, text, width):
    """`left` in its column, and `text` beside it, or below where `left` is too long."""
    lines = textwrap.wrap(text, max(20, width - COLUMN)) or [""]
    indent = " " * COLUMN
    if len(left) + 4 > COLUMN:
        return [f"  {left}", *(indent + line for line in lines)]
    return [f"  {left}".ljust(COLUMN) + lines[0], *(indent + line for line in lines[1:])]


def _spelled(flag):
    short = f"-{flag.short_name}, " if flag.short_name else ""
    if flag.boolean:
        return short + (f"--[no-]{hyphenated(flag.name)[2:]}" if flag.default else hyphenated(flag.name))
    choices = getattr(flag.parser, "enum_values", None)
    placeholder = "|".join(choices) if choices else PLACEHOLDERS.get(flag.parser.flag_type(), "TEXT")
    return f"{short}{hyphenated(flag.name)} {placeholder}"


def _explained(flag, sentence):
    """The flag's sentence, and its default if the sentence doesn't tell."""
    default = flag.default
    if flag.boolean or default in (None, "", []) or "default" in sentence.lower():
        return sentence
    return f"{sentence} Default: {','.join(default) if isinstance(default, list) else default}."
