import itertools
import math

import pytest

from wdsr_tf.models import create_model
from wdsr_tf.models.multiply_adds import multiply_adds


@pytest.mark.parametrize(
    "name, scale, how, expected",
    [
        # By hand: kernel area x input channels x output channels, times the positions per LR pixel.
        ("espcn", 2, {"num_filters": 8}, 25 * 8 + 9 * 8 * 4 + 9 * 4 * 4),
        ("srcnn", 2, {"num_filters": 8}, 4 * (81 * 8 + 8 * 4 + 25 * 4)),
        ("drrn", 3, {"num_filters": 4, "num_units": 2}, 9 * (9 * 4 + 2 * 2 * 9 * 16 + 9 * 4)),
        # The second stage of the upsampler runs on four times as many pixels, the tail on sixteen times as many.
        (
            "edsr",
            4,
            {"num_filters": 8, "num_res_blocks": 1},
            9 * (3 * 8 + 8 * 8 * 3 + 8 * 32 + 4 * 8 * 32 + 16 * 8 * 3),
        ),
        ("wdsr-a", 2, {"num_filters": 4, "num_res_blocks": 1, "weight_norm": True}, 9 * (12 + 64 * 2 + 48) + 25 * 36),
    ],
)
def test_the_count_equals_the_one_by_hand_without_borders(name, scale, how, expected):
    assert multiply_adds(create_model(name, scale, **how)) == expected


def test_groups_divide_the_count_and_idle_upsamplers_add_nothing():
    # The 1x1 convolutions, head and tail are not grouped; the upsampler is.
    def cascades(filters):
        fusions = sum(k * filters**2 for k in (2, 3, 4))
        unit = 2 * 9 * filters**2 // 2 + filters**2
        return 3 * (3 * unit + fusions) + fusions

    ends = 9 * 3 * 8 + 4 * 9 * 8 * 3
    upsampler = 9 * 8 * 32 // 2
    model = create_model("carn-m", 2, num_filters=8, groups=2, multi_scale=True)
    assert multiply_adds(model) == cascades(8) + ends + upsampler


def test_transposed_convolutions_count_input_positions():
    widths = [3, 16, 32, 64, 128, 128, 256]
    convolutions = sum(9 * math.prod(pair) for pair in itertools.pairwise(widths))
    assert multiply_adds(create_model("upconv7", 2)) == convolutions + 16 * 256 * 3
