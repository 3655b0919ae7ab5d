"""What the documents claim, where a test can read it."""

import re

import pytest

from tests.conftest import REPOSITORY
from wdsr_tf.models import create_model, get_architecture, list_models

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]
RECIPES = {  # the first cell of a row -> (network, hyperparameters)
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
    "`dcscn`, compact": (
        "dcscn",
        {
            "num_filters": 32,
            "min_filters": 8,
            "num_layers": 7,
            "gamma": 1.2,
            "nin_filters": 24,
            "nin_filters_2": 8,
            "upsampler_filters": 1,
        },
    ),
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
    "`upcunet`, x2": ("upcunet", {}),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].replace("`", ""))
def test_the_table_of_networks_has_the_parameters_of_the_networks(row):
    name, hyperparameters = RECIPES[row[0]]
    claimed = [int(number.replace(",", "")) for number in re.findall(r"\d{1,3}(?:,\d{3})+", row[2])]
    scales = [scale for scale in get_architecture(name).scales if scale <= 4]
    counts = [create_model(name, scale, **hyperparameters).count_params() for scale in scales]
    if len(set(counts)) == 1:
        counts = counts[:1]
    assert claimed[: len(counts)] == counts


def test_the_table_of_networks_has_every_network():
    assert {RECIPES[row[0]][0] for row in ROWS} == set(list_models())
