from wdsr_tf.export.report import table

CARD = {
    "file": "small.onnx",
    "bytes": 1234567,
    "parity": {
        "limit": 0.01,
        "load_seconds": 0.5,
        "seconds_per_megapixel": 12.34,
        "pictures": {
            "tiny": {"maximum": 0.0002, "mean": 0.00001},
            "drawn": {"maximum": 0.0001, "mean": 0.00002, "psnr_difference": -0.00012},
        },
    },
}


def test_a_row_contains_the_worst_of_all_images():
    assert list(table([CARD]))[2:] == [
        "| small.onnx | 1,234,567 | 0.0002 of 0.01 | 2e-05 | -0.0001 dB | 0.50 s | 12.3 s |"
    ]


def test_there_is_no_table_without_cards():
    assert list(table([])) == []
