from wdsr_tf.system.terminal import one_line, printable


def test_control_characters_are_escaped():
    assert printable("a\x1b[2J\rb\x7f\u202e") == "a\\x1b[2J\\x0db\\x7f\\u202e"
    assert printable("rows\n\tand columns \u00e4\u65e5") == "rows\n\tand columns \u00e4\u65e5"


def test_a_path_stays_on_its_line():
    assert one_line("a\nWrote 1 of 1\tb\x1b") == "a\\nWrote 1 of 1\\tb\\x1b"
    assert one_line(one_line("a\n")) == one_line("a\n")
