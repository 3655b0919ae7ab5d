import json

import numpy as np
import pytest

from benchmarks import reproduce
from benchmarks.reproduce import Line
from wdsr_tf import images
from wdsr_tf.errors import InputError


def test_figures_of_the_manifest_are_means_or_of_pictures():
    assert reproduce.expected({"x2": 37.68, "x3": 34.06}, 3) == (34.06, {})
    assert reproduce.expected({"x2": 37.68}, 4) == (None, {})
    each = {"bird": 37.27, "woman": 32.75}
    assert reproduce.expected({"x3 without baby": "bird 37.27, woman 32.75"}, 3) == (None, each)
    assert reproduce.expected({"x2": "37.15 stated for an earlier version"}, 2) == (None, {})


@pytest.mark.parametrize(
    "ours, expected, missed", [(30.02, 30.0, False), (29.98, 30.0, False), (30.021, 30.0, True), (30.5, None, False)]
)
def test_a_figure_more_than_the_bar_away_is_missed(ours, expected, missed):
    assert Line("a.npz", "carn", "Set5", 2, ours, 0.9, expected).missed is missed


def test_a_line_says_whose_figures_stand_side_by_side():
    line = Line("a.npz", "carn", "Set5 bird", 2, 37.7612, 0.95904, 37.75, 37.53)
    assert str(line) == "| a.npz | carn | Set5 bird | x2 | 37.53 | 37.75 | 37.761 | +0.011 | 0.9590 |"
    assert str(Line("a", "b", "Set5", 2, 30.0, 0.9)) == "| a | b | Set5 | x2 |  |  | 30.000 |  | 0.9000 |"


def test_the_section_is_replaced_and_the_rest_of_the_document_kept(tmp_path):
    path = tmp_path / "doc.md"
    path.write_text(f"before\n{reproduce.BEGIN}\nold\n{reproduce.END}\nbehind\n")
    reproduce.write_section(path, "new")
    reproduce.write_section(path, "newer")
    assert path.read_text() == f"before\n{reproduce.BEGIN}\n\nnewer\n\n{reproduce.END}\nbehind\n"


@pytest.mark.parametrize("text", ["", reproduce.BEGIN, f"{reproduce.END} {reproduce.BEGIN}", reproduce.BEGIN * 2])
def test_a_document_without_the_marks_is_refused(tmp_path, text):
    (tmp_path / "doc.md").write_text(text)
    with pytest.raises(InputError, match="are not there once"):
        reproduce.section(tmp_path / "doc.md")


def test_the_projects_document_has_the_marks_once():
    reproduce.section(reproduce.DOCUMENT)


def test_a_run_that_was_stopped_goes_on_with_what_it_kept(tmp_path):
    path = tmp_path / "kept.json"
    first = {"psnr": [30.0], "seconds": 2.0}
    assert reproduce.Kept(path, resume=False).get("a|Set5|x2", lambda: first) == first
    again = reproduce.Kept(path, resume=True)
    assert again.get("a|Set5|x2", lambda: pytest.fail("was measured already")) == first
    again.get("a|Set14|x2", lambda: {"psnr": [31.0], "seconds": 5.0})
    assert again.seconds == {"a": 7.0}
    assert reproduce.Kept(path, resume=False).figures == {}


def test_a_folder_of_weights_has_a_network_in_each_param_or_index_file(tmp_path):
    for name in ("a.param", "a.bin", "b.param", "b.bin"):
        (tmp_path / name).touch()
    assert [path.name for path in reproduce.weight_files(tmp_path)] == ["a.param", "b.param"]
    assert reproduce.weight_files(tmp_path / "a.bin") == [tmp_path / "a.bin"]


def test_a_network_of_scale_1_is_given_a_jpeg_of_hr(tmp_path):
    random = np.random.default_rng(0)
    for side, length in (("LR", 8), ("HR", 16)):
        path = tmp_path / "image_SRF_2" / f"img_001_SRF_2_{side}.png"
        images.write(path, random.integers(0, 256, (length, length, 3), "uint8"))
    given = reproduce.benchmark(tmp_path, 1)
    lr, hr = given.load(given.pairs[0])
    np.testing.assert_array_equal(hr, images.read(tmp_path / "image_SRF_2" / "img_001_SRF_2_HR.png"))
    assert lr.shape == hr.shape and np.any(lr != hr)


def test_bicubic_has_its_papers_figures_when_it_is_taken_as_they_did(reference):
    folder = reference / "images" / "benchmark"
    lines, missed = reproduce.bicubic_lines(folder)
    assert missed == []
    cells = [[float(cell) for cell in line.strip("| ").split(" | ")[2:]] for line in lines[2:]]
    assert len(cells) == 6
    for papers, ours, as_papers in cells:
        assert ours == pytest.approx(papers, abs=0.1)
        assert as_papers == pytest.approx(papers, abs=0.01)  # they say two digits


def test_every_figure_of_papers_is_of_a_file_of_the_manifest(reference):
    manifest = json.loads((reference / "weights" / "MANIFEST.json").read_text())
    assert reproduce.PAPERS.keys() <= {entry["file"] for entry in manifest["files"]}
    assert reproduce.read_manifest(reference / "weights" / "MANIFEST.json")[-1]["file"] == "drrn_b1u25.npz"


def test_a_folder_without_a_manifest_is_an_error(tmp_path):
    with pytest.raises(InputError, match="is no manifest"):
        reproduce.read_manifest(tmp_path / "MANIFEST.json")


@pytest.mark.slow
@pytest.mark.parametrize(
    "file", ["carn_m.pth", "carn_x2.npz", "wdsr_a_8_e6_x2.npz", "edsr_8_x2.npz", "wdsr_b_32_x4.h5", "c_dcscn_x2/"]
)
def test_published_files_reach_their_figures_on_set5(reference, tmp_path, monkeypatch, file):
    monkeypatch.setattr(reproduce, "SETS", ["Set5"])
    manifest = reproduce.read_manifest(reference / "weights" / "MANIFEST.json")
    entry = next(entry for entry in manifest if entry["file"] == file)
    lines = list(reproduce.lines_of(entry, reference, reproduce.Kept(tmp_path / "kept.json", resume=False)))
    assert lines and all(line.file == file for line in lines)
    assert [line for line in lines if line.missed] == []
