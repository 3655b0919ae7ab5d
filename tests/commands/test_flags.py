import pytest

from wdsr_tf.commands.flags import Flags, hyphenated, read_flags, setting
from wdsr_tf.errors import InputError


@pytest.fixture
def profiles(tmp_path):
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "small").write_text("# A profile.\n\n  --lr-patch-size=16\n--noaugment\n")
    (folder / "misspelt").write_text("--lr-patchsize=16\n")
    (folder / "binary").write_bytes(b"\xff\xfe\x00")
    return folder


@pytest.fixture
def parse(profiles):
    """`parse(*words)` returns (flags, positional arguments)."""

    def parsed(*words):
        flags = Flags()
        flags.string("profile", None, "Flags from a file.", short="p")
        flags.integer("lr_patch_size", 48, "A number.", minimum=1)
        flags.switch("augment", True, "A switch.")
        flags.number("factor", 0.5, "A factor.", minimum=0)
        flags.repeated("set", [], "A list.")
        flags.list("scale", "2,3", "Several values.")
        flags.choice("engine", "auto", ["auto", "onnx"], "A choice.")
        flags.string("outdir", "./out", "A folder.", short="o")
        flags.alias("patch_size", "lr_patch_size")
        flags.retired("num_workers", "one process does the work")
        positional = flags.parse(words, profiles)
        return flags, positional

    return parsed


@pytest.mark.parametrize("spelling", [["--lr-patch-size=32"], ["--lr_patch_size", "32"], ["--lr-patch_size=32"]])
def test_hyphens_and_underscores_name_the_same_flag(parse, spelling):
    assert parse(*spelling)[0].lr_patch_size == 32


def test_only_the_names_of_flags_are_respelt(parse):
    words = ("my-folder", "--outdir=some-where", "--set", "a-b=c-d", "-o", "x-y", "other-one")
    flags, positional = parse(*words)
    assert positional == ["my-folder", "other-one"]
    assert (flags.outdir, flags.set) == ("x-y", ["a-b=c-d"])


@pytest.mark.parametrize("spelling", ["--noaugment", "--no-augment", "--no_augment", "--augment=false"])
def test_a_switch_is_turned_off_in_any_spelling(parse, spelling):
    assert parse()[0].augment is True
    assert parse(spelling)[0].augment is False


def test_values_have_the_types_of_their_flags(parse):
    flags, _ = parse("--factor=2", "--scale=4", "--engine=onnx", "--patch-size", "7")
    assert (flags.factor, flags.scale, flags.engine, flags.lr_patch_size) == (2.0, ["4"], "onnx", 7)
    assert parse()[0].scale == ["2", "3"]


def test_typed_flags_are_told_from_those_of_a_profile(parse):
    flags, _ = parse("-p", "small", "--no-augment", "--factor=1", "-o", "typed")
    names = ("augment", "factor", "outdir", "lr_patch_size", "set")
    assert [name for name in names if flags.is_typed(name)] == ["augment", "factor", "outdir"]
    assert flags["lr_patch_size"].present and not flags["set"].present


@pytest.mark.parametrize("spelling", [["--profile", "small"], ["--profile=small"], ["-p", "small"], ["-p=small"]])
def test_a_profile_changes_defaults(parse, spelling):
    flags, _ = parse(*spelling)
    assert (flags.lr_patch_size, flags.augment, flags.outdir) == (16, False, "./out")


def test_typed_flags_override_the_profile_before_and_after_it(parse):
    for words in (["--lr-patch-size=24", "-p", "small"], ["-p", "small", "--lr-patch-size=24"]):
        flags, _ = parse(*words)
        assert (flags.lr_patch_size, flags.augment) == (24, False)


def test_a_profile_can_be_a_file_elsewhere(parse, tmp_path):
    (tmp_path / "mine").write_text("--factor=3")
    assert parse("-p", str(tmp_path / "mine"))[0].factor == 3


@pytest.mark.parametrize(
    "words, message",
    [
        (["--lr-patchsize=16"], r"Unknown flag --lr-patchsize. Did you mean '--lr-patch-size'\? --help"),
        (["-p", "misspelt"], r"Unknown flag --lr-patchsize. Did you mean '--lr-patch-size'\?"),
        (
            ["-p", "smal"],
            r"Unknown profile 'smal'. Did you mean 'small'\? Choose from binary, misspelt, small; or name",
        ),
        (["-p", "binary"], "binary isn't a text file"),
        (["--lr-patch-size=0"], "^--lr-patch-size=0: "),
        (["--factor=-1"], "^--factor=-1: "),
        (["--factor=nan"], "--factor=nan: The value must be a finite number"),
        (["--factor=inf"], "--factor=inf: The value must be a finite number"),
        (["--lr-patch-size=many"], "--lr-patch-size=many: A number is expected"),
        (["--factor=many"], "--factor=many: A number is expected"),
        (["--engine=keras"], "--engine=keras: .*auto.*onnx"),
        (["--augment=perhaps"], "--augment=perhaps: "),
        (["--outdir"], "--outdir"),
        (["--" + "x" * 10**5], "^.{,400}$"),
        (["--flagfile=/dev/zero"], "Unknown flag --flagfile"),
        (["--undefok=nothing", "--nothing=1"], "Unknown flag --undefok"),
        ([f"--lr-patch-size={'9' * 5000}"], "^.{,400}$"),
    ],
)
def test_a_mistake_is_an_error_that_says_what_to_do(parse, words, message):
    with pytest.raises(InputError, match=message):
        parse(*words)


def test_a_name_too_long_for_a_file_is_an_error_of_the_system(parse):
    with pytest.raises(OSError, match="File name too long"):
        parse("-p", "x" * 300)


def test_flags_written_to_a_file_repeat_the_command(parse, tmp_path):
    flags, _ = parse("-p", "small", "--set=a=1", "--set=b=two words", "-o", "somewhere", "--num-workers=4")
    flags["profile"].value = None
    lines = [line for line in flags.flags_into_string().splitlines() if "num_workers" not in line]
    (tmp_path / "args.txt").write_text("\n".join(lines))
    replayed, _ = parse("-p", str(tmp_path / "args.txt"))
    for name in ("lr_patch_size", "augment", "factor", "set", "scale", "engine", "outdir"):
        assert replayed[name].value == flags[name].value
    assert replayed.set == ["a=1", "b=two words"] and replayed.outdir == "somewhere"


def test_flags_of_a_file_yield_to_those_that_were_parsed(parse, tmp_path):
    (tmp_path / "args.txt").write_text("--factor=3\n--lr-patch-size=8\n--scale=4\n")
    flags, _ = parse("-p", "small", "--factor=2")
    flags.parse_over(tmp_path / "args.txt")
    assert (flags.factor, flags.lr_patch_size, flags.scale) == (2, 16, ["4"])


def test_a_retired_flag_is_accepted_with_the_reason_and_has_no_value_otherwise(parse):
    flags, _ = parse("--num-workers=4")
    assert list(flags.ignored()) == ["--num-workers is ignored: one process does the work."]
    flags, _ = parse()
    assert list(flags.ignored()) == [] and "num_workers" not in flags.flags_into_string()


def test_described_leaves_out_aliases_and_retired_flags(parse):
    names = [flag.name for flag, _ in parse()[0].described()]
    assert names == ["profile", "lr_patch_size", "augment", "factor", "set", "scale", "engine", "outdir"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("num_units=9", ("num_units", 9)),
        ("num-units=0.5", ("num_units", 0.5)),
        ("luma=TRUE", ("luma", True)),
        ("tanh=none", ("tanh", None)),
        ("variant=official", ("variant", "official")),
        ("expression=a=b", ("expression", "a=b")),
        ("shape=(1, 2)", ("shape", (1, 2))),
        ("deep=" + "-" * 10**5 + "1", ("deep", "-" * 10**5 + "1")),
        ("odd={[]: 1}", ("odd", "{[]: 1}")),
    ],
)
def test_a_setting_is_a_literal_or_text(text, expected):
    assert setting(text) == expected


def test_a_setting_without_value_is_an_error():
    with pytest.raises(InputError, match="--set takes NAME=VALUE, not 'num_units'"):
        setting("num_units")


def test_a_file_of_flags_has_comments_and_blank_lines(profiles):
    assert read_flags(profiles / "small") == ["--lr-patch-size=16", "--noaugment"]
    assert hyphenated("lr_patch_size") == "--lr-patch-size"
