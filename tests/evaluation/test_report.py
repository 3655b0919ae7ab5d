import csv
import json

import numpy as np
import pytest

from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import report
from wdsr_tf.evaluation.measure import Row

NAN = float("nan")


def row(name, psnr, **facts):
    return Row(name, {"krasserm": np.array([[psnr, 0.5, 0.8], [psnr + 2, 0.7, NAN]])}, **facts)


def ranking(*rows, bicubic=25.0, **changed):
    rows = list(rows) or [row("a", 30.0, seconds=1.25, peak_memory=3 * 2**30), row("b", 20.0, rounded=False)]
    facts = {"failed": {"c": "broken"}, "protocols": ["krasserm"], "images": ["0801", "0802"], "scale": 2}
    facts |= {"data": {"dataset": "BIN"}, "sha256": "0123456789abcdef"} | changed
    return report.Ranking(rows, row("bicubic", bicubic, seconds=0.5), **facts)


def test_the_result_has_means_and_figures_of_every_image(tmp_path):
    ranking().write(tmp_path / "bench.json")
    result = json.loads((tmp_path / "bench.json").read_text())
    assert ranking().best == (31.0, "a")
    assert result["psnr"] == {"a": 31.0, "b": 21.0}
    assert result["models"]["a"]["krasserm"] == {
        "psnr": 31.0,
        "ssim": 0.6,
        "ms_ssim": 0.8,
        "psnr_per_image": [30.0, 32.0],
        "ssim_per_image": [0.5, 0.7],
        "ms_ssim_per_image": [0.8, None],
    }
    assert result["runs"] == {
        "a": {"seconds": 1.25, "peak_memory": 3 * 2**30, "lr": "8 bits"},
        "b": {"seconds": None, "peak_memory": None, "lr": "float"},
    }
    assert result["bicubic"]["krasserm"]["psnr"] == 26.0
    assert (result["images"], result["scale"], result["data"]) == (["0801", "0802"], 2, {"dataset": "BIN"})
    assert (result["sha256"], result["ensemble"]) == ("0123456789abcdef", False)
    assert result["protocols"] == {"krasserm": "RGB, no border, float output"}
    assert result["failed"] == {"c": "broken"}


def test_the_table_says_what_was_measured_and_how():
    assert ranking().table().splitlines() == [
        "dataset BIN, x2; means over 2 images, sha256 0123456789ab",
        "LR is float, as in the papers of luma models, for: b",
        "",
        "krasserm: RGB, no border, float output",
        "MS-SSIM without 1 of 2 images that are too small for it: 0802",
        "rank     PSNR    SSIM  MS-SSIM  seconds     MiB  model",
        "   1  31.0000  0.6000   0.8000      1.2   3,072  a",
        "   2  21.0000  0.6000   0.8000        -       -  b",
        "   -  26.0000  0.6000   0.8000      0.5       -  bicubic",
    ]


def test_the_table_says_if_no_model_is_as_good_as_bicubic():
    assert "No model" not in ranking(row("a", 24.0), bicubic=24.0).table()
    last = ranking(row("a", 24.0), row("b", 23.0), bicubic=24.5).table().splitlines()[-1]
    assert last == "No model is as good as bicubic upscaling, 25.5000 dB under krasserm."


def test_the_table_fits_in_100_columns_and_keeps_the_end_of_a_long_name():
    long = "a/very/long/path/to/a/folder/of/models/output/models/epoch-012-psnr-34.5212.keras"
    table = ranking(row(long, 30.0, seconds=12345.6, peak_memory=2**36)).table()
    assert max(map(len, table.splitlines())) <= 100
    assert "epoch-012-psnr-34.5212.keras" in table
    assert long in ranking(row(long, 30.0)).result()["psnr"]


def test_each_protocol_has_its_own_block():
    both = {name: np.array([[psnr, 0.5, 0.8]]) for name, psnr in (("paper", 33.0), ("krasserm", 31.0))}
    found = report.Ranking([Row("a", both)], Row("bicubic", both), {}, ["paper", "krasserm"], ["x"], 2, {}, "0" * 64)
    lines = found.table().splitlines()
    assert lines.index("paper: Y, border scale, rounded") < lines.index("krasserm: RGB, no border, float output")
    assert [line.split()[:2] for line in lines if line.endswith("  a")] == [["1", "33.0000"], ["1", "31.0000"]]


def test_the_table_mentions_a_self_ensemble():
    assert "self-ensemble" in ranking(ensemble=True).table()
    assert ranking(ensemble=True).result()["ensemble"] is True


def test_the_csv_has_a_line_for_each_model_and_protocol(tmp_path):
    ranking(ensemble=True).write_csv(tmp_path / "bench.csv")
    with (tmp_path / "bench.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["model"] for line in lines] == ["a", "b", "bicubic"]
    assert lines[0] == {
        "model": "a",
        "protocol": "krasserm",
        "psnr": "31.0",
        "ssim": "0.6",
        "ms_ssim": "0.8",
        "images": "2",
        "scale": "2",
        "lr": "8 bits",
        "ensemble": "True",
        "seconds": "1.25",
        "peak_memory": str(3 * 2**30),
        "sha256": "0123456789abcdef",
    }
    assert (lines[1]["seconds"], lines[1]["lr"], lines[2]["ensemble"]) == ("", "float", "False")


def test_a_comparison_prints_what_changed_for_each_model_and_protocol(tmp_path):
    ranking(row("a", 30.0), row("gone", 20.0)).write(tmp_path / "old.json")
    now = ranking(row("a", 30.25), row("new", 20.0)).result()
    assert report.differences(report.read(tmp_path / "old.json"), now) == [
        "change in PSNR    SSIM  MS-SSIM  seconds     MiB  protocol  model",
        "       +0.2500 +0.0000  +0.0000        -       -  krasserm  a",
        "                                                  new       new",
        "                                                  gone      gone",
        "       +0.0000 +0.0000  +0.0000        -       -  krasserm  bicubic",
    ]


def test_a_comparison_prints_a_models_costs_once():
    then, now = ranking().result(), ranking(row("a", 30.0, seconds=3.5, peak_memory=2**30)).result()
    for side in (then, now):
        side["models"]["a"]["paper"] = dict(side["models"]["a"]["krasserm"], ms_ssim=None)
    then["models"]["a"]["krasserm"]["ms_ssim"] = 0.75
    assert report.differences(then, now)[1:3] == [
        "       +0.0000 +0.0000  +0.0500     +2.2  -2,048  krasserm  a",
        "       +0.0000 +0.0000        -        -       -  paper     a",
    ]


def test_a_comparison_names_a_model_without_a_common_protocol():
    then, now = ranking().result(), ranking().result()
    then["models"]["a"]["paper"] = then["models"]["a"].pop("krasserm")
    assert report.differences(then, now)[1] == " " * 50 + "none      a: paper then, krasserm now"


@pytest.mark.parametrize(
    "changed, line",
    [
        ({"sha256": "f" * 64}, f"The images' sha256 differs: 0123456789abcdef then, {'f' * 64} now."),
        ({"scale": 3}, "The scale differs: 2 then, 3 now."),
        ({"ensemble": True}, "The self-ensemble differs: False then, True now."),
    ],
)
def test_a_comparison_says_which_conditions_differ(changed, line):
    assert report.differences(ranking().result(), ranking(**changed).result())[0] == line


def test_a_comparison_says_if_a_protocol_or_the_lr_differs():
    then, now = ranking().result(), ranking().result()
    then["protocols"]["krasserm"] = "RGB, border 4"
    then["runs"]["b"]["lr"] = "8 bits"
    assert report.differences(then, now)[:2] == [
        "The protocol krasserm differs: RGB, border 4 then, RGB, no border, float output now.",
        "The LR of b differs: 8 bits then, float now.",
    ]


def test_an_older_bench_json_without_hash_can_be_compared(tmp_path):
    then = ranking().result()
    for key in ("sha256", "ensemble", "runs"):
        del then[key]
    (tmp_path / "old.json").write_text(json.dumps(then))
    lines = report.differences(report.read(tmp_path / "old.json"), ranking().result())
    assert lines[0] == "The images' sha256 differs: not recorded then, 0123456789abcdef now."
    assert "       +0.0000 +0.0000  +0.0000        -       -  krasserm  a" in lines


@pytest.mark.parametrize("value", ["30.1", None, [30.1]])
@pytest.mark.parametrize("place", [("models", "a", "krasserm", "psnr"), ("bicubic", "krasserm", "ssim"), ("scale",)])
def test_figures_of_another_type_are_refused(tmp_path, place, value):
    result = inner = ranking().result()
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (tmp_path / "old.json").write_text(json.dumps(result))
    with pytest.raises(InputError, match=rf"isn't a bench\.json \(TypeError: {place[-1]} is"):
        report.read(tmp_path / "old.json")


@pytest.mark.parametrize("text", ["", "[]", "[" * 10**5, "{}", '{"models": {"a": {"krasserm": {}}}}', '{"models": 3}'])
def test_a_file_that_is_not_a_bench_json_is_refused(tmp_path, text):
    (tmp_path / "old.json").write_text(text)
    with pytest.raises(InputError, match=r"isn't a bench\.json"):
        report.read(tmp_path / "old.json")
    with pytest.raises(InputError, match="Can't be read"):
        report.read(tmp_path / "absent.json")
