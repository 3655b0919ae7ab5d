import csv
import json

import numpy as np
import pytest

from tests.evaluation.test_measure import draw
from wdsr_tf.errors import InputError
from wdsr_tf.evaluation import measure, report
from wdsr_tf.evaluation.columns import choose

NAN = float("nan")


def row(name, psnr, gmsd, niqe=(5.0, NAN)):
    others = {"gmsd": np.array([gmsd, gmsd]), "niqe": np.array(niqe)}
    return measure.Row(name, {"krasserm": np.array([[psnr, 0.5, 0.8]] * 2)}, seconds=1.0, others=others)


def ranking(metrics, rank_by, *rows):
    rows = measure.ranked(rows or [row("sharp", 28.0, 0.05), row("smooth", 30.0, 0.09)], "krasserm", rank_by)
    options = {"metrics": metrics, "rank_by": rank_by}
    bicubic = row("bicubic", 27.0, 0.07)
    return report.Ranking(rows, bicubic, {}, ["krasserm"], ["a", "b"], 4, {"dataset": "X"}, "0" * 64, **options)


def test_the_metrics_are_the_usual_three_unless_others_are_named():
    assert choose() == (["psnr", "ssim", "ms-ssim"], "psnr")
    assert choose("gmsd") == (["gmsd"], "gmsd")
    assert choose(["ssim", "niqe", "ssim", "psnr"]) == (["ssim", "niqe", "psnr"], "psnr")
    assert choose(["ssim"], "niqe") == (["ssim", "niqe"], "niqe")


def test_an_unknown_metric_is_named_with_a_suggestion():
    with pytest.raises(InputError, match=r"Unknown metric 'gmds'. Did you mean 'gmsd'\? Choose from psnr, ssim"):
        choose(["psnr", "gmds"])
    with pytest.raises(InputError, match="Unknown metric 'lpips'"):
        choose(None, "lpips")
    with pytest.raises(InputError, match="No metric is named"):
        choose([])


@pytest.mark.parametrize(("rank_by", "first"), [("psnr", "smooth"), ("gmsd", "sharp")])
def test_each_metric_ranks_in_its_own_direction(rank_by, first):
    assert ranking(["psnr", "gmsd"], rank_by).best[1] == first


def test_a_model_without_a_figure_ranks_last():
    rows = row("none", 30.0, 0.1, niqe=(NAN, NAN)), row("bad", 20.0, 0.1, niqe=(9.0, 9.0))
    assert [each.name for each in measure.ranked(rows, "krasserm", "niqe")] == ["bad", "none"]


def test_the_table_has_the_columns_that_were_asked_for():
    assert ranking(["psnr", "niqe", "gmsd"], "gmsd", row("a", 28.0, 0.09)).table().splitlines() == [
        "dataset X, x4; means over 2 images, sha256 000000000000",
        "NIQE-own: naturalness without HR, lower is better; by our own prior, so published NIQE values don't compare",
        "GMSD: gradient similarity deviation to HR, lower is better",
        "",
        "krasserm: RGB, no border, float output",
        "NIQE-own without 1 of 2 images that are too small for it: b",
        "rank     PSNR  NIQE-own    GMSD  seconds     MiB  model",
        "   1  28.0000    5.0000  0.0900      1.0       -  a",
        "   -  27.0000    5.0000  0.0700      1.0       -  bicubic",
        "",
        "No model is as good as bicubic upscaling, 0.0700 GMSD.",
    ]


def test_json_and_csv_have_what_was_asked_for_and_always_psnr(tmp_path):
    found = ranking(["ssim", "gmsd"], "gmsd")
    found.write(tmp_path / "bench.json")
    result = json.loads((tmp_path / "bench.json").read_text())
    assert (result["metrics"], result["rank_by"]) == (["ssim", "gmsd"], "gmsd")
    assert list(result["psnr"]) == ["sharp", "smooth"]
    assert result["models"]["sharp"]["krasserm"].keys() == {"psnr", "ssim", "psnr_per_image", "ssim_per_image"}
    assert result["others"]["sharp"] == {"gmsd": 0.05, "gmsd_per_image": [0.05, 0.05]}
    assert result["others"].keys() == {"sharp", "smooth", "bicubic"}
    found.write_csv(tmp_path / "bench.csv")
    with (tmp_path / "bench.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [lines[0][key] for key in ("model", "ssim", "gmsd")] == ["sharp", "0.5", "0.05"]
    assert "ms_ssim" not in lines[0]
    assert "others" not in ranking(["psnr"], "psnr").result()


def test_a_comparison_has_a_line_for_each_further_metric_of_both_sides(tmp_path):
    then, now = ranking(["psnr", "gmsd"], "gmsd"), ranking(["ssim", "gmsd"], "gmsd", row("sharp", 28.0, 0.04))
    then.write(tmp_path / "then.json")
    lines = report.differences(report.read(tmp_path / "then.json"), now.result())
    assert lines[-2:] == ["change in GMSD: -0.0100  sharp", "change in GMSD: +0.0000  bicubic"]


def test_a_measurement_has_each_metric_of_each_image(tmp_path):
    pairs = draw(tmp_path, [(9, 12), (100, 100)])
    asked = ["psnr", "niqe", "gmsd", "lr-consistency", "color-shift"]
    found = measure.measure("nearest", lambda lr: lr.repeat(2, 0).repeat(2, 1), pairs, ["krasserm"], metrics=asked)
    assert list(found.others) == asked[1:]
    assert {name: np.isnan(values).tolist() for name, values in found.others.items()} == {
        "niqe": [True, False],
        **{name: [False, False] for name in asked[2:]},
    }
    assert np.isnan(found.figures["krasserm"][:, 1:]).all()  # neither SSIM was asked for
    assert found.mean_of("niqe", "krasserm") == found.others["niqe"][1]
