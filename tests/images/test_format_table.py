"""The table of docs/formats.md, cell by cell: what of every property of every format is in a result."""

import pytest

from tests.conftest import REPOSITORY
from tests.helpers.engines import Fake
from tests.helpers.format_files import COLUMNS, ROWS, measured
from wdsr_tf.inference.folder import plan
from wdsr_tf.inference.upscaler import Upscaler

HEADING = "## Now"


def documented():
    """{row: {column: state}} of the table, without cells of what a format doesn't have."""
    section = (REPOSITORY / "docs" / "formats.md").read_text().split(HEADING)[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    assert lines[0] == ["format", *COLUMNS]
    return {
        row: {column: cell for column, cell in zip(COLUMNS, cells, strict=True) if cell != "-"}
        for row, *cells in lines[2:]
    }


def test_the_table_has_every_format():
    assert list(documented()) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_every_cell_of_the_table_of_formats_is_true(row, tmp_path):
    for package in ("imagecodecs", "tifffile", "pillow_heif", "pillow_jxl"):
        pytest.importorskip(package)
    lines = []
    upscaler = Upscaler(Fake().engine, scale=1, log=lines.append)

    def upscale(source):
        lines.clear()
        ((_, target),) = plan([source], source, tmp_path / "out", upscaler.result_size)
        target.parent.mkdir(exist_ok=True)
        upscaler.upscale_file(source, target)
        return target, lines

    assert measured(row, tmp_path, upscale) == documented()[row]
