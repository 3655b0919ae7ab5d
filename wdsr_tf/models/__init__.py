"""Every network of the house, by name: `create_model("wdsr-a", scale=2, num_res_blocks=16)`."""

from wdsr_tf.models import edsr, wdsr  # noqa: F401  (importing a network registers it)
from wdsr_tf.models.registry import SRModel, create_model, fold, get_architecture, list_models

__all__ = ["SRModel", "create_model", "fold", "get_architecture", "list_models"]
