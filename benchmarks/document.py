"""The part of a Markdown document that a command writes, between two marks."""

from wdsr_tf.errors import InputError
from wdsr_tf.files import atomic

END = "<!-- to here -->"


def begin(command):
    """The mark above what `command` writes."""
    return f"<!-- {command} writes from here -->"


def section(path, command):
    """The parts of the document before, between and after the marks of `command`."""
    text, first = path.read_text(encoding="utf-8"), begin(command)
    if text.count(first) != 1 or text.count(END) != 1 or text.index(first) > text.index(END):
        raise InputError(
            f"{path} must contain the lines {first} and {END} once each, in this order; the tables go between."
        )
    before, _, rest = text.partition(first)
    between, _, after = rest.partition(END)
    return before, between, after


def write_section(path, command, text):
    """Puts `text` between the marks of `command`."""
    before, _, after = section(path, command)
    with atomic(path) as temporary:
        temporary.write_text(f"{before}{begin(command)}\n\n{text}\n\n{END}{after}", encoding="utf-8")
