import json

import numpy as np
import pytest

from benchmarks.document import END, begin
from release import reproduce
from release.reproduce import COMMAND, Line
from release.saved import SavedFigures
from tests.evaluation.test_networks import write_srcnn
from wdsr_tf import images
from wdsr_tf.errors import InputError


def test_the_manifest_has_means_or_figures_of_images():
    means = {"Set5": {"x2": 37.68, "x3": 34.06}, "Set14": {"x2": 33.31}}
    assert reproduce.expected(means) == {("Set5", "x2"): 37.68, ("Set5", "x3"): 34.06, ("Set14", "x2"): 33.31}
    each = {("Set14 man", "x3"): 37.27, ("Set14 ppt3", "x3"): 32.75}
    assert reproduce.expected({"Set14": {"x3 without baboon": "man 37.27, ppt3 32.75"}}) == each
    assert reproduce.expected({"Set5": {"x2": "37.15 stated for an earlier version"}}) == {}


@pytest.mark.parametrize(
    "ours, expected, missed", [(30.02, 30.0, False), (29.98, 30.0, False), (30.021, 30.0, True), (30.5, None, False)]
)
def test_a_figure_more_than_the_bar_away_is_missed(ours, expected, missed):
    assert Line("a.npz", "carn", "Set5", 2, ours, 0.9, expected).missed is missed


def test_a_line_is_a_row_with_the_figures_of_paper_manifest_and_ours():
    line = Line("a.npz", "carn", "Set5 bird", 2, 37.7612, 0.95904, 37.75, 37.53)
    assert str(line) == "| a.npz | carn | Set5 bird | x2 | 37.53 | 37.75 | 37.761 | +0.011 | 0.9590 |"
    assert str(Line("a", "b", "Set5", 2, 30.0, 0.9)) == "| a | b | Set5 | x2 |  |  | 30.000 |  | 0.9000 |"


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A folder of weights and images: SRCNN under two names, and a benchmark of two images at x2."""
    random = np.random.default_rng(0)
    for i in (1, 2):
        for side, length in (("LR", 8), ("HR", 16)):
            path = tmp_path / "images" / "benchmark" / "Set14" / "image_SRF_2" / f"img_00{i}_SRF_2_{side}.png"
            images.write(path, random.integers(0, 256, (length, length, 3), "uint8"))
    (tmp_path / "weights").mkdir()
    for name in ("a.npz", "b.npz"):
        write_srcnn(tmp_path / "weights" / name)
    (tmp_path / "doc.md").write_text(f"{begin(reproduce.MARK)}\n{END}")
    monkeypatch.setattr(reproduce, "DOCUMENT", tmp_path / "doc.md")
    monkeypatch.setattr(reproduce, "BENCHMARKS", {"Set14": ["baboon", "barbara"]})
    monkeypatch.setattr(reproduce, "bicubic_lines", lambda folder: (["bicubic"], []))
    monkeypatch.setattr(reproduce.Network, "scales", (2,))
    figures = {"network": "srcnn", "psnr": [30.0, 31.0], "ssim": [0.5, 0.6], "seconds": 60.0}
    measured = []
    monkeypatch.setattr(reproduce, "figures_of", lambda network, pairs: measured.append(network.name) or figures)
    return tmp_path, measured


def run(folder, files, *words):
    """The exit code of the command with that manifest."""
    entries = [{"file": file, "y": y} for file, y in files.items()]
    (folder / "weights" / "MANIFEST.json").write_text(json.dumps({"files": entries}))
    return COMMAND.main([str(folder), "--saved", str(folder / "saved.json"), *words])


def test_a_run_that_misses_nothing_says_so(shared, capsys):
    folder, _ = shared
    y = {"Set14": {"x2": 30.5, "x2 of one": "barbara 31.01"}}
    assert run(folder, {"a.npz": y}) == 0
    assert capsys.readouterr().out.endswith("\nNo figure was missed; the bar is 0.02 dB.\n")
    assert "| Set14 barbara | x2 |  | 31.01 | 31.000 |" in (folder / "doc.md").read_text()


@pytest.mark.parametrize(
    "y, miss",
    [
        ({"Set14": {"x8": 30.5}}, "a.npz on Set14 x8: not measured; the manifest says 30.5"),
        ({"B100": {"x2": 30.5}}, "a.npz on B100 x2: not measured"),
        ({"Set14": {"x2 without baboon": 31.0}}, "a.npz on Set14 x2 without baboon: not measured"),
        ({"Set14": {"x2": "nobody 31.00"}}, "a.npz on Set14 nobody x2: not measured"),
        ({"Set14": {"x2": 30.6}}, "a.npz on Set14 x2: 30.500"),
    ],
)
def test_a_figure_of_the_manifest_that_was_not_measured_is_missed(shared, capsys, y, miss):
    folder, _ = shared
    assert run(folder, {"a.npz": y}) == 1
    assert f"missed: {miss}" in capsys.readouterr().out
    assert f"missed: {miss}" in (folder / "doc.md").read_text()


def test_a_run_without_figures_to_compare_says_so(shared, capsys):
    folder, _ = shared
    assert run(folder, {"a.npz": {}}) == 0
    assert "No figure was compared" in capsys.readouterr().out


def test_an_unfinished_table_says_so():
    line = Line("a", "b", "Set5", 2, 30.0, 0.9, 30.0)
    unfinished = reproduce.document([], [line], [], {}, finished=False)
    assert "No figure was missed so far; the bar" in unfinished and "rows are missing" in unfinished
    assert "No figure was missed; the bar" in reproduce.document([], [line], [], {})


@pytest.mark.parametrize("only", [["--only=nosuch"], ["--only=a.npz", "--only=nosuch"]])
def test_only_with_a_name_that_no_file_has_is_an_error(shared, capsys, only):
    folder, measured = shared
    assert run(folder, {"a.npz": {}}, *only) == 1
    assert "--only nosuch: no file of the manifest has this in its name. Files: a.npz." in capsys.readouterr().err
    assert measured == []


def test_only_keeps_the_figures_of_other_files_and_measures_its_own_again(shared):
    folder, measured = shared
    assert run(folder, {"a.npz": {}, "b.npz": {}}) == 0
    before = (folder / "doc.md").read_text()
    assert run(folder, {"a.npz": {}, "b.npz": {}}, "--only=b") == 0
    assert measured == ["a.npz", "b.npz", "b.npz"]
    assert list(json.loads((folder / "saved.json").read_text())) == ["a.npz|Set14|x2", "b.npz|Set14|x2"]
    assert (folder / "doc.md").read_text() == before


def test_an_interrupted_run_resumes_and_measures_only_files_that_have_changed(shared):
    folder, measured = shared
    files = {"a.npz": {}, "b.npz": {}}
    assert run(folder, files) == run(folder, files, "--resume") == 0
    assert measured == ["a.npz", "b.npz"]
    write_srcnn(folder / "weights" / "a.npz", seed=1)
    assert run(folder, files, "--resume") == 0
    assert measured == ["a.npz", "b.npz", "a.npz"]
    assert run(folder, files) == 0
    assert measured == ["a.npz", "b.npz", "a.npz", "a.npz", "b.npz"]
    assert "ran for 2 minutes" in (folder / "doc.md").read_text()


FIGURES = {"network": "srcnn", "sha256": "0", "psnr": [30.0], "ssim": [0.5], "seconds": 1.0}


@pytest.mark.parametrize(
    "saved",
    [
        "{",
        [],
        {"a": []},
        {"a": {}},
        {"a": FIGURES | {"psnr": ["30"]}},
        {"a": FIGURES | {"ssim": []}},
        {"a": FIGURES | {"sha256": None}},
    ],
)
def test_a_damaged_file_of_saved_figures_is_an_error(tmp_path, saved):
    (tmp_path / "saved.json").write_text(saved if isinstance(saved, str) else json.dumps(saved))
    for options in ({"resume": True}, {"resume": False, "others": True}):
        with pytest.raises(InputError, match=r"saved\.json doesn't contain figures of an earlier run .*--saved"):
            SavedFigures(tmp_path / "saved.json", **options)
    assert SavedFigures(tmp_path / "saved.json", resume=False).figures == {}


def test_a_folder_without_weights_is_an_error(tmp_path):
    with pytest.raises(InputError, match="neither ncnn nor TensorFlow"):
        reproduce.weight_files(tmp_path)


@pytest.mark.parametrize("files", [[], [3], [{"file": "a"}], [{"file": "a", "y": {"Set5": {"x2": None}}}], {"a": 1}])
def test_a_manifest_without_files_or_figures_is_an_error(tmp_path, files):
    (tmp_path / "MANIFEST.json").write_text(json.dumps({"files": files}))
    with pytest.raises(InputError, match=r"isn't a manifest|lists no files"):
        reproduce.read_manifest(tmp_path / "MANIFEST.json")


def test_a_folder_of_weights_has_a_network_in_each_param_or_index_file(tmp_path):
    for name in ("a.param", "a.bin", "b.param", "b.bin"):
        (tmp_path / name).touch()
    assert [path.name for path in reproduce.weight_files(tmp_path)] == ["a.param", "b.param"]
    assert reproduce.weight_files(tmp_path / "a.bin") == [tmp_path / "a.bin"]


def test_a_network_of_scale_1_gets_a_jpeg_of_hr(tmp_path):
    random = np.random.default_rng(0)
    for side, length in (("LR", 8), ("HR", 16)):
        path = tmp_path / "image_SRF_2" / f"img_001_SRF_2_{side}.png"
        images.write(path, random.integers(0, 256, (length, length, 3), "uint8"))
    pairs = reproduce.benchmark(tmp_path, 1)
    lr, hr = pairs.load(pairs.pairs[0])
    np.testing.assert_array_equal(hr, images.read(tmp_path / "image_SRF_2" / "img_001_SRF_2_HR.png"))
    assert lr.shape == hr.shape and np.any(lr != hr)


def test_bicubic_has_the_papers_figures_when_measured_like_the_papers(reference):
    folder = reference / "images" / "benchmark"
    lines, missed = reproduce.bicubic_lines(folder)
    assert missed == []
    cells = [[float(cell) for cell in line.strip("| ").split(" | ")[2:]] for line in lines[2:]]
    assert len(cells) == 6
    for papers, ours, as_papers in cells:
        assert ours == pytest.approx(papers, abs=0.1)
        assert as_papers == pytest.approx(papers, abs=0.01)  # they state two digits


def test_every_file_with_figures_in_a_paper_is_in_the_manifest(reference):
    manifest = json.loads((reference / "weights" / "MANIFEST.json").read_text())
    assert reproduce.PAPERS.keys() <= {entry["file"] for entry in manifest["files"]}
    assert reproduce.read_manifest(reference / "weights" / "MANIFEST.json")[-1]["file"] == "drrn_b1u25.npz"


def test_a_folder_without_a_manifest_is_an_error(tmp_path):
    with pytest.raises(InputError, match="isn't a manifest"):
        reproduce.read_manifest(tmp_path / "MANIFEST.json")


@pytest.mark.slow
@pytest.mark.parametrize(
    "file", ["carn_m.pth", "carn_x2.npz", "wdsr_a_8_e6_x2.npz", "edsr_8_x2.npz", "wdsr_b_32_x4.h5", "c_dcscn_x2/"]
)
def test_published_files_have_their_figures_on_set5(reference, tmp_path, monkeypatch, file):
    monkeypatch.setattr(reproduce, "BENCHMARKS", {"Set5": reproduce.BENCHMARKS["Set5"]})
    manifest = reproduce.read_manifest(reference / "weights" / "MANIFEST.json")
    entry = next(entry for entry in manifest if entry["file"] == file)
    lines = list(reproduce.lines_of(entry, reference, SavedFigures(tmp_path / "saved.json", resume=False)))
    assert reproduce.not_measured(entry, lines) == [] or file == "carn_m.pth"  # its other figures are for Set14
    assert lines and all(line.file == file for line in lines)
    assert [line for line in lines if line.missed] == []
