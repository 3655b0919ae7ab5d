import json

import pytest

from benchmarks import document, zoo

FILES = [
    "IMDN_x4.pth",
    "VDSR_Official.mat",
    "upscalerjs_esrgan-slim_x2/model.json",
    "pth_made_from_ncnn/realesr-animevideov3.pth",
    *(f"ncnn/realcugan_{name}-no-denoise.param" for name in ("pro_up2x", "se_up2x", "se_up3x", "se_up4x")),
    *(f"ncnn/realesr-animevideov3-x{scale}.param" for scale in (2, 3, 4)),
    *(f"ncnn/{name}.param" for name in ("realesr-general-x4v3", "realesrgan-x4plus-anime")),
    *(f"ncnn/{name}.param" for name in ("spanx2_ch48", "spanx4_ch48", "4xSPANkendata")),
]
FILES = [f"esrgan_family/{name}" for name in FILES] + [
    *("carn_m.pth", "carn_x2.npz", "drrn_b1u25.npz", "edsr_8_x2.npz", "srcnn.onnx"),
    *("wdsr_a_8_e6_x2.npz", "wdsr_b_32_x4.h5"),
    "c_dcscn_x2/dcscn_L7_F32to8_G1.20_NIN_A24_B8_PS_R1F32.ckpt.index",
    *(f"waifu2x/cunet/{name}_model.param" for name in ("noise1", "scale2.0x")),
    *(f"waifu2x/upconv_7_photo/{name}_model.param" for name in ("noise1_scale2.0x", "scale2.0x")),
    "waifu2x/vgg_7/anime_style_scale_rgb.npz",
]


@pytest.fixture(scope="module")
def figures():
    return zoo.read_figures(zoo.FIGURES)


def test_the_table_has_a_row_for_every_file():
    _, section, _ = document.section(zoo.DOCUMENT, zoo.MARK)
    rows = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(rows) == sorted(FILES)


def test_the_table_has_the_figures_of_the_json_file(figures):
    _, section, _ = document.section(zoo.DOCUMENT, zoo.MARK)
    assert section.strip() == zoo.document(figures)


def test_every_file_is_recognized_and_its_psnr_is_the_published_one(figures):
    assert all(each["network"] and each["parameters"] and each["memory"] for each in figures["files"].values())
    assert zoo.missed(figures["files"]) == []
    published = [each["published"] for each in figures["files"].values() if each["published"]]
    assert {"x2": 37.53, "x4": 31.35} in published and {"x4": 32.21} in published and len(published) >= 8


def test_the_published_figures_are_those_of_the_manifests(reference, figures):
    published = zoo.published_figures(reference / "weights")
    assert published == {name: each["published"] for name, each in figures["files"].items()}


def test_a_psnr_that_differs_or_is_missing_is_reported():
    files = {
        "near": {"psnr": {"x2": 30.02}, "published": {"x2": 30.0}},
        "far": {"psnr": {"x2": 30.03}, "published": {"x2": 30.0}},
        "none": {"psnr": {"x2": 30.0}, "published": {"x2": 30.0, "x4": 28.0}},
        "own": {"psnr": {"x2": 30.0}, "published": {}},
    }
    assert zoo.missed(files) == [
        "far, x2: 30.03 dB on Set5; published are 30.00",
        "none, x4: None dB on Set5; published are 28.00",
    ]


def test_what_was_not_measured_is_said():
    assert zoo.row("a", {}).count(zoo.NOT_MEASURED) == len(zoo.HEAD) - 1
    known = {"network": "edsr", "project": "b", "scales": [2, 4], "parameters": 1234, "psnr": {}, "memory": 2**21}
    timed = {"convert": 1.25, "seconds": {"keras": 3.14159, "onnx": 0.5, "openvino": 20.0}}
    cells = ("`a`", "`edsr` of b", "x2 / x4", "1,234", "- / -", "1.2 s", "3.14", "0.5", "20", "2 MiB")
    assert zoo.row("a", known | timed) == f"| {' | '.join(cells)} |"


def test_one_pass_keeps_the_figures_of_the_other(tmp_path, monkeypatch, figures):
    (tmp_path / "models.md").write_text(f"{document.begin(zoo.MARK)}\n{document.END}")
    monkeypatch.setattr(zoo, "DOCUMENT", tmp_path / "models.md")
    monkeypatch.setattr(zoo, "FIGURES", tmp_path / "zoo.json")
    monkeypatch.setattr(zoo, "published_figures", lambda weights: {"a": {"x2": 30.0}})
    quality = {"network": "edsr", "project": "b", "scales": [2], "parameters": 1, "psnr": {"x2": 30.0}}
    found = {"quality": quality, "memory": {"memory": 2**20}, "speed": {"convert": 1.0, "seconds": {}}}
    monkeypatch.setattr(zoo, "child", lambda cache, kind, path, *words: found[kind])
    for kind in ("quality", "speed"):
        assert zoo.COMMAND.main([str(tmp_path), "--only", kind]) == 0
    kept = json.loads((tmp_path / "zoo.json").read_text())
    assert kept["files"]["a"] == quality | found["memory"] | found["speed"] | {"published": {"x2": 30.0}}
    assert [*kept["machines"]] == ["quality", "speed"]
    assert "| `a` | `edsr` of b | x2 | 1 | 30.00 | 1.0 s |" in (tmp_path / "models.md").read_text()
