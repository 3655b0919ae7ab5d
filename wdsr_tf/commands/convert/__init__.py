"""`wdsr-tf convert`: datasets, checkpoints from published weights, and weights for other programs."""

from wdsr_tf.commands.group import Group

COMMAND = Group(
    "convert",
    "Prepares datasets, and converts weights and models.",
    {
        **{mode: f"{__name__}.{mode}" for mode in ("numpy", "jpeg", "pairs", "sqlite", "weights")},
        "export": "wdsr_tf.commands.export",
    },
    noun="mode",
)
