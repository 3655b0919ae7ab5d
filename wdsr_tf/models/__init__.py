"""All networks by name: `create_model("wdsr-a", scale=2, num_res_blocks=16)`."""

from wdsr_tf.models import (  # noqa: F401  (importing a network registers it)
    carn,
    carn_v2,
    cunet,
    dcscn,
    drrn,
    edsr,
    espcn,
    imdn,
    msrn,
    rcan,
    rdn,
    rrdbnet,
    span,
    sr_resnet,
    srcnn,
    srvgg,
    upconv7,
    vdsr,
    vgg7,
    wdsr,
)
from wdsr_tf.models.registry import SRModel, create_model, get_architecture, list_models
from wdsr_tf.models.weights import fold, initialize_from_data, is_plain, transfer

__all__ = [
    "SRModel",
    "create_model",
    "fold",
    "get_architecture",
    "initialize_from_data",
    "is_plain",
    "list_models",
    "transfer",
]
