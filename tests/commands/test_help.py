import pytest

from wdsr_tf.commands.command import Command
from wdsr_tf.commands.help import help_text


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def test_help_lists_flags_in_their_order_with_placeholders_and_defaults():
    def define(flags):
        flags.string("indir", "demo", "Folder of images.", short="i")
        flags.integer("lr_patch_size", 48, "Side of a patch.", minimum=1)
        flags.number("factor", None, "A factor; the default is the model's.")
        flags.list("scale", "2,3", "Scales.")
        flags.repeated("set", [], "Hyperparameter as NAME=VALUE.")
        flags.switch("verify", False, "Check files.")
        flags.switch("augment", True, "Flip and rotate.")
        flags.choice("engine", None, ["onnx", "keras"], "What runs the model.")
        flags.alias("patch_size", "lr_patch_size")
        flags.retired("num_workers", "one process does the work")

    command = Command("act", "Does something.", define, None, words="[FILE ...]", description="One.\n\nTwo.")
    assert help_text(command, "act.py").splitlines() == [
        "Usage: act.py [FLAGS] [FILE ...]",
        "",
        "Does something.",
        "",
        "One.",
        "",
        "Two.",
        "",
        "Flags:",
        "  -i, --indir TEXT            Folder of images. Default: demo.",
        "  --lr-patch-size N           Side of a patch. Default: 48.",
        "  --factor X                  A factor; the default is the model's.",
        "  --scale A,B                 Scales. Default: 2,3.",
        "  --set TEXT                  Hyperparameter as NAME=VALUE.",
        "  --verify                    Check files.",
        "  --[no-]augment              Flip and rotate.",
        "  --engine onnx|keras         What runs the model.",
        "  -h, --help                  Show this help and exit.",
    ]


def test_sections_have_headings():
    def define(flags):
        flags.string("first", None, "Without a section.")
        flags.section("Images")
        flags.string("second", None, "In a section.")
        flags.string("third", None, "In it, too.")

    lines = help_text(Command("act", "Does something.", define, None), "act.py").splitlines()
    first_words = [line.split()[0] for line in lines if line]
    assert first_words[-6:] == ["Flags:", "--first", "Images:", "--second", "--third", "-h,"]
    assert lines[-2:] == ["", "  -h, --help                  Show this help and exit."]


def test_long_texts_and_long_names_fit_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")

    def define(flags):
        flags.string("short", None, "A sentence that is much too long for a single line of help. " * 2)
        flags.choice("with_many_words", None, ["first", "second", "third"], "Explained below.")

    lines = help_text(Command("act", "Does something. " * 9, define, None), "act.py").splitlines()
    assert max(map(len, lines)) <= 60
    place = lines.index("  --with-many-words first|second|third")
    assert lines[place + 1] == " " * 30 + "Explained below."


def test_a_command_without_flags_has_help():
    text = help_text(Command("act", "Does something.", lambda flags: None, None), "act.py")
    assert text.endswith("Does something.\n\nFlags:\n  -h, --help                  Show this help and exit.")
