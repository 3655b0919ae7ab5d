"""What the documentation claims, where a test can read it."""

import importlib
import json
import re
import shlex

import pytest

from tests.conftest import REPOSITORY
from tests.helpers.networks import COMPACT_DCSCN
from wdsr_tf import weights
from wdsr_tf.commands.group import Group
from wdsr_tf.models import create_model, get_architecture, list_models, registry
from wdsr_tf.models.multiply_adds import multiply_adds

BLOB = "https://github.com/wdsr-tf/wdsr-tf/blob/main/"
TREE = "https://github.com/wdsr-tf/wdsr-tf/tree/main/"
MADE_LATER = {"docs/api.md"}  # by the documentation's own setup
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "web" / "README.md"]
CARDS = sorted(weights.FOLDER.glob("*[0-9].json"))
RECIPES = {  # the first cell of a row in the table of networks -> (network, hyperparameters)
    "`wdsr-a`, 8 blocks": ("wdsr-a", {}),
    "`wdsr-a`, 16 blocks": ("wdsr-a", {"num_res_blocks": 16}),
    "`wdsr-a`, 32 blocks, expansion 6": ("wdsr-a", {"num_res_blocks": 32, "res_expansion": 6}),
    "`wdsr-b`, 32 blocks": ("wdsr-b", {"num_res_blocks": 32}),
    "`edsr`, 16 blocks": ("edsr", {}),
    "`edsr`, 32 blocks of 256": ("edsr", {"num_res_blocks": 32, "num_filters": 256}),
    "`carn`": ("carn", {}),
    "`carn-m`, 4 groups": ("carn-m", {}),
    "`carn-v2`": ("carn-v2", {}),
    "`dcscn`": ("dcscn", {}),
    "`dcscn`, compact": ("dcscn", COMPACT_DCSCN),
    "`dcscn-12`": ("dcscn-12", {}),
    "`espcn-7`": ("espcn-7", {}),
    "`espcn`": ("espcn", {}),
    "`srcnn`, 9-1-5": ("srcnn", {"body_size": 1}),
    "`srcnn`, 9-5-5": ("srcnn", {"body_size": 5}),
    "`msrn`": ("msrn", {}),
    "`msrn`, variant `harish-vnkt`": ("msrn", {"variant": "harish-vnkt"}),
    "`drrn`, B1U9": ("drrn", {"num_units": 9}),
    "`drrn`, B1U25": ("drrn", {"num_units": 25}),
    "`sr-resnet`": ("sr-resnet", {}),
    "`vgg7`, x1 and x2": ("vgg7", {}),
    "`upconv7`, x2": ("upconv7", {}),
    "`cunet`, x1": ("cunet", {}),
    "`upcunet`": ("upcunet", {}),
    "`rrdbnet`": ("rrdbnet", {}),
    "`rrdbnet`, 6 blocks": ("rrdbnet", {"num_res_blocks": 6}),
    "`srvgg`, 16 convolutions": ("srvgg", {}),
    "`srvgg`, 32 convolutions": ("srvgg", {"num_res_blocks": 32}),
    "`span`": ("span", {}),
    "`imdn`": ("imdn", {}),
    "`rcan`": ("rcan", {}),
    "`vdsr`": ("vdsr", {}),
    "`rdn`": ("rdn", {}),
    "`rrdn`": ("rrdn", {}),
}
PUBLISHED = {  # the first cell of a row in the table of published weights -> (file in benchmarks.md, hyperparameters)
    "`carn`": ("carn_x2.npz", {}),
    "`carn-m`": ("carn_m.pth", {"multi_scale": True}),
    "`wdsr-a`, 8 blocks, expansion 6": ("wdsr_a_8_e6_x2.npz", {"res_expansion": 6}),
    "`edsr`, 8 blocks": ("edsr_8_x2.npz", {"num_res_blocks": 8}),
    "`drrn`, B1U25": ("drrn_b1u25.npz", {"num_units": 25}),
    "`dcscn`, compact": ("c_dcscn_x2/", COMPACT_DCSCN),
    "`upconv7`, photo": ("waifu2x/upconv_7_photo/scale2.0x_model.param", {}),
    "`upcunet`, art": ("waifu2x/cunet/scale2.0x_model.param", {}),
    "`vgg7`, art": ("waifu2x/vgg_7/anime_style_scale_rgb.npz", {}),
    "`srcnn`, 9-1-5": ("srcnn.onnx", {}),
}


def read(page):
    return (REPOSITORY / page).read_text(encoding="utf-8")


def cells(line):
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def table(page, heading):
    """The rows of the first table below a heading."""
    section = read(page).partition(f"\n## {heading}\n")[2]
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [cells(line) for line in lines[2:]]


def text_of(page):
    """The page without its code."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def commands():
    """(page, words) of every command line of ours in the documentation."""
    programs = r"(?:python (?:convert|train|bench|demo)\.py|(?:convert|train|bench|demo)\.py|wdsr-tf) (?! )"
    for page in PAGES:
        page_text = page.read_text(encoding="utf-8")
        for found in re.findall(rf"^ *({programs}.*)$|`({programs}[^`]*)`", page_text, flags=re.M):
            line = next(filter(None, found)).replace("\n", " ").partition("  #")[0]
            yield pytest.param(line, id=f"{page.name}: {line[:60]}")


def command_and_words(line):
    """The command that `line` starts, and the words that follow it."""
    program, *words = shlex.split(line)
    if program == "python":
        program, *words = words
    verb = {"demo.py": "upscale"}.get(program, program.removesuffix(".py"))
    if verb == "wdsr-tf":
        verb, *words = words
    command = importlib.import_module(f"wdsr_tf.commands.{verb}").COMMAND
    if isinstance(command, Group):
        (mode,) = {*words} & {*command.members} or {next(iter(command.members))}  # one that is merely mentioned
        command = importlib.import_module(command.members[mode]).COMMAND
        words = [word for word in words if word != mode]
    return command, words


@pytest.mark.parametrize("line", [*commands()])
def test_every_command_line_of_the_documentation_parses(line):
    command, words = command_and_words(line.replace("--profile NAME", "--profile edsr"))
    if words and words[-1].startswith("-") and command.takes_value(words[-1]):
        words.append("mentioned")  # without a value, as in "`bench.py -i` takes files"
    if words != ["--help"]:
        command.flags().parse(words, command.profiles)


def test_every_flag_in_the_documentation_exists():
    from wdsr_tf.commands import convert

    known = {"help", "logdir", "startup", "network", "rounds", "benchmarks"}  # the latter of other programs
    for name in [
        *(f"wdsr_tf.commands.{verb}" for verb in ("upscale", "train", "bench", "report", "doctor")),
        *convert.COMMAND.members.values(),
    ]:
        known |= {flag.replace("_", "-") for flag in importlib.import_module(name).COMMAND.flags()}
    for page in PAGES:
        for flag in re.findall(r"`[^`\n]*?--(?:no-)?([a-z][a-z0-9-]+)", page.read_text(encoding="utf-8")):
            assert flag in known, f"{page.name}: --{flag}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_link_of_the_documentation_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if target.startswith((BLOB, TREE)):
            assert (REPOSITORY / target.removeprefix(BLOB).removeprefix(TREE)).exists(), target
        elif not target.startswith("https://") and not target.startswith("http://"):
            path, _, wanted = target.partition("#")
            file = page.parent / path if path else page
            name = file.resolve().relative_to(REPOSITORY).as_posix()
            if name in MADE_LATER and not file.exists():
                continue
            assert file.exists(), target
            if page.parent == REPOSITORY / "docs":
                assert file.resolve().parent == page.parent.resolve(), f"{target}: leads out of the documentation"
            if wanted:
                headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), flags=re.M)
                assert wanted in map(anchor, headings), target


@pytest.mark.parametrize("card", CARDS, ids=lambda path: path.stem)
@pytest.mark.parametrize("page, heading", [("README.md", "Models"), ("docs/models.md", "Bundled models")])
def test_the_figures_of_a_bundled_model_are_those_of_its_card(page, heading, card):
    card = json.loads(card.read_text(encoding="utf-8"))
    (row,) = [row for row in table(page, heading) if f"[`{card['name']}`]" in row[0]]
    assert row[1] == f"x{card['scale']}"
    assert f"{card['parameters']:,}" in row
    for key, figure in card["figures"].items():
        name, _, jpeg = key.partition(", JPEG ")
        (cell,) = [cell for cell, title in zip(row, titles(page, heading), strict=True) if title.startswith(name)]
        assert cell.startswith(f"{figure['psnr']:.2f} / {figure['ssim']:.4f}")
        bicubic = f"{figure['bicubic']:.2f}"
        assert f"({bicubic})" in cell or (page != "README.md" and bicubic in read(page))
        assert not jpeg or jpeg in " ".join(row)
    if page != "README.md":
        size = (weights.FOLDER / f"{card['name']}.keras").stat().st_size
        assert row[5:] == [f"{card['multiply_adds_per_pixel']:,}", f"{size / 1e6:.1f} MB", card["license"]]


def titles(page, heading):
    section = read(page).partition(f"\n## {heading}\n")[2]
    return cells(next(line for line in section.splitlines() if line.startswith("|")))


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_a_card_for_people_says_what_the_card_for_programs_says(path):
    from wdsr_tf.export.card import markdown, read

    assert path.with_suffix(".md").read_text(encoding="utf-8") == markdown(read(path))


@pytest.mark.parametrize("row", table("docs/models.md", "Published weights"), ids=lambda row: f"{row[0]} {row[1]}")
def test_the_figures_of_published_weights_are_those_that_were_measured(row):
    file, hyperparameters = PUBLISHED[row[0]]
    measured = {
        line[2]: f"{float(line[6]):.2f} / {line[8]}"
        for line in map(cells, read("docs/benchmarks.md").splitlines())
        if len(line) == 9 and (line[0], line[3]) == (file, row[1])
    }
    assert row[2:4] == [measured["Set5"], measured["Set14"]]
    model = create_model(row[0].split("`")[1], int(row[1][1:]), **hyperparameters)
    assert row[4:6] == [f"{model.count_params():,}", f"{multiply_adds(model):,}"]


DEEP = ("`rcan`", "`rdn`", "`rrdbnet`", "`rrdn`")  # which take seconds to build


def rows_and_scales():
    """Every row of the table of networks with every scale that it gives parameters of; all but the largest are slow."""
    for row in table("docs/models.md", "Networks"):
        scales = get_architecture(RECIPES[row[0]][0]).scales
        scales = [scale for scale in scales if 1 < scale <= 4] or scales
        for i, scale in enumerate(scales):
            slow = row[0].startswith(DEEP) or scale != max(scales)
            yield pytest.param(row, i, scale, id=f"{row[0]} x{scale}".replace("`", ""), marks=[pytest.mark.slow] * slow)


@pytest.mark.parametrize("row, i, scale", list(rows_and_scales()))
def test_the_table_of_networks_has_their_parameters(row, i, scale):
    name, hyperparameters = RECIPES[row[0]]
    claimed = [int(number.replace(",", "")) for number in re.findall(r"\d{1,3}(?:,\d{3})+", row[2])]
    assert create_model(name, scale, **hyperparameters).count_params() == claimed[i if " / " in row[2] else 0]


def test_the_table_of_networks_has_the_speeds_of_the_exported_networks():
    measured = {
        row[0]: row[7].removesuffix(" s") for row in map(cells, read("docs/export.md").splitlines()) if "onnx" in row
    }
    claimed = [(RECIPES[row[0]][0], row[4]) for row in table("docs/models.md", "Networks") if row[4]]
    assert sorted(seconds for _, seconds in claimed) == sorted(
        seconds for name, seconds in measured.items() if not name.startswith("wdsr-b")
    )
    for name, seconds in claimed:
        assert seconds in (measured.get(f"{name}-x2"), measured.get(f"{name}-x1"))


def test_the_table_of_networks_has_every_network():
    assert {RECIPES[row[0]][0] for row in table("docs/models.md", "Networks")} == set(list_models())


def test_the_readme_names_every_network():
    assert all(f"`{name}`" in read("README.md") for name in list_models())


def test_the_example_of_adding_a_network_works(monkeypatch, tmp_path):
    import numpy as np

    from wdsr_tf import checkpoint
    from wdsr_tf.models.receptive_field import of_graph

    monkeypatch.setattr(registry, "_architectures", dict(registry._architectures))
    (code,) = re.findall(r"```python\n(.*?)```", read("docs/adding-a-network.md"), flags=re.S)
    exec(compile(code, "toy.py", "exec"), {})
    for scale in get_architecture("toy").scales:
        model = create_model("toy", scale, num_filters=4)
        lr = np.random.default_rng(1).integers(0, 256, (1, 7, 9, 3), "uint8")
        assert model(lr).shape == (1, 7 * scale, 9 * scale, 3)
    model.compile("adam", "mae")
    assert np.isfinite(model.train_on_batch(lr, np.zeros((1, 7 * scale, 9 * scale, 3), "uint8"))).all()
    checkpoint.save(model, tmp_path / "toy.keras")
    assert checkpoint.load(tmp_path / "toy.keras").recipe == model.recipe
    assert of_graph(model).radius >= 3
    (profile,) = re.findall(r"```\n(# Toy .*?)```", read("docs/adding-a-network.md"), flags=re.S)
    (tmp_path / "toy").write_text(profile, encoding="utf-8")
    command = importlib.import_module("wdsr_tf.commands.train").COMMAND
    command.flags().parse([f"--profile={tmp_path / 'toy'}"], command.profiles)


def test_the_changelog_has_both_releases():
    headings = re.findall(r"^## .*$", read("CHANGELOG.md"), flags=re.M)
    assert headings == ["## [0.2.0] - Unreleased", "## [0.1.0] - 2026-11-21"]
