"""Text for terminals: the name of a file can have any character, and could steer the terminal or hide itself."""

HIDDEN = (*range(32), *range(127, 160), *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
ESCAPES = {code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" for code in HIDDEN}
PARAGRAPHS = {code: escape for code, escape in ESCAPES.items() if chr(code) not in "\t\n"}
LINES = ESCAPES | {ord("\n"): "\\n", ord("\t"): "\\t"}


def printable(text) -> str:
    """Returns `text` with control characters escaped, except for line feeds and tabs."""
    return str(text).translate(PARAGRAPHS)


def one_line(text) -> str:
    """Returns `text`, such as a path, with all control characters escaped: it can't pretend to be another line."""
    return str(text).translate(LINES)
