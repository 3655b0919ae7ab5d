"""3x3 convolutions that are trained as several branches and run as one.

A sum of branches of linear layers is itself a convolution. Its kernel is computed from the branches inside the training
step, in float32, so a step costs little more than a plain one, zeros beyond the border have the same effect on all
branches, and any padding works. `wdsr_tf.models.fold` replaces the layers by plain convolutions with equal output.
"""

import keras
import numpy as np
from keras import layers, ops


class ReparameterizedConv2D(layers.Layer):
    """A 3x3 convolution with bias whose kernel is computed from the weights of its branches.

    A subclass adds weights in `build` with `add_part`, and computes kernel and bias in `fused`.

    Args:
        filters: number of output channels.
        padding: "same" (zeros) or "valid".
    """

    def __init__(self, filters: int, padding: str = "same", **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.padding = padding

    def add_part(self, name, kernel_size, channels, filters):
        """Adds the kernel and the bias of a convolution, with PyTorch's initial kernel."""
        start = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        kernel = self.add_float32(f"{name}_kernel", (kernel_size, kernel_size, channels, filters), start)
        return kernel, self.add_float32(f"{name}_bias", (filters,), "zeros")

    def add_float32(self, name, shape, start):
        """Adds a weight that stays in float32 under mixed precision, as kernels are sums and products of weights."""
        return self.add_weight(shape=shape, initializer=start, dtype="float32", autocast=False, name=name)

    def fused(self):
        """Returns (kernel, bias) of the equal 3x3 convolution, in float32."""
        raise NotImplementedError

    @property
    def kernel(self):
        """The kernel of the equal 3x3 convolution."""
        return self.fused()[0]

    @property
    def bias(self):
        """The bias of the equal 3x3 convolution."""
        return self.fused()[1]

    def call(self, inputs):
        kernel, bias = (ops.cast(part, self.compute_dtype) for part in self.fused())
        return ops.conv(inputs, kernel, padding=self.padding) + bias

    def compute_output_shape(self, input_shape):
        cropped = 0 if self.padding == "same" else 2
        batch, height, width, _ = input_shape
        return (batch, height and height - cropped, width and width - cropped, self.filters)

    def get_config(self):
        return super().get_config() | {"filters": self.filters, "padding": self.padding}


@keras.saving.register_keras_serializable("wdsr_tf")
class BranchedConv2D(ReparameterizedConv2D):
    """SPAN's: a 1x1 branch plus a chain of 1x1, 3x3 and 1x1, all with bias; the chain is `gain` times as wide inside.

    Wan et al., 2024, https://arxiv.org/abs/2311.12770. The chain pads with zeros before its first bias.
    """

    def __init__(self, filters, gain=2, **kwargs):
        super().__init__(filters, **kwargs)
        self.gain = gain

    def build(self, input_shape):
        channels, wide = input_shape[-1], (self.gain * input_shape[-1], self.gain * self.filters)
        self.skip = self.add_part("skip", 1, channels, self.filters)
        self.expand = self.add_part("expand", 1, channels, wide[0])
        self.spread = self.add_part("spread", 3, *wide)
        self.project = self.add_part("project", 1, wide[1], self.filters)

    def fused(self):
        (skip, skip_bias), (project, project_bias) = self.skip, self.project
        kernel, bias = _chained(self.expand, self.spread)
        kernel, bias = ops.matmul(kernel, project[0, 0]), ops.matmul(bias, project[0, 0]) + project_bias
        return kernel + _centered(skip), bias + skip_bias

    def get_config(self):
        return super().get_config() | {"gain": self.gain}


@keras.saving.register_keras_serializable("wdsr_tf")
class CollapsibleConv2D(ReparameterizedConv2D):
    """SESR's collapsible linear block: a 3x3 convolution to `width` channels, and 1x1 back; short residual if possible.

    Bhardwaj et al., 2022, https://arxiv.org/abs/2103.09404. The residual is the identity, where there are as many
    output channels as input channels.
    """

    def __init__(self, filters, width=256, **kwargs):
        super().__init__(filters, **kwargs)
        self.width = width

    def build(self, input_shape):
        self.has_residual = input_shape[-1] == self.filters
        self.expand = self.add_part("expand", 3, input_shape[-1], self.width)
        self.project = self.add_part("project", 1, self.width, self.filters)

    def fused(self):
        (expand, expand_bias), (project, project_bias) = self.expand, self.project
        kernel = ops.matmul(expand, project[0, 0])
        if self.has_residual:
            kernel = kernel + _centered(np.eye(self.filters, dtype="float32")[None, None])
        return kernel, ops.matmul(expand_bias, project[0, 0]) + project_bias

    def get_config(self):
        return super().get_config() | {"width": self.width}


EDGE_FILTERS = {
    "sobel_x": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    "sobel_y": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "laplace": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
}


@keras.saving.register_keras_serializable("wdsr_tf")
class EdgeOrientedConv2D(ReparameterizedConv2D):
    """ECBSR's edge-oriented block: 3x3; 1x1 and 3x3, `gain` times as wide inside; and 1x1 with three edge filters.

    Zhang, Zeng and Zhang, 2021, "Edge-oriented convolution block for real-time super resolution on mobile devices". The
    edge filters are Sobel's in both directions and Laplace's, each with a factor and a bias per channel that start near
    zero. 1x1 convolutions pad with zeros before their bias; those before edge filters have none, because the weights of
    an edge filter sum to zero.
    """

    def __init__(self, filters, gain=2, **kwargs):
        super().__init__(filters, **kwargs)
        self.gain = gain

    def build(self, input_shape):
        channels = input_shape[-1]
        pytorch = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
        self.plain = self.add_part("plain", 3, channels, self.filters)
        self.expand = self.add_part("expand", 1, channels, self.gain * self.filters)
        self.squeeze = self.add_part("squeeze", 3, self.gain * self.filters, self.filters)
        self.edges = {}
        for name in EDGE_FILTERS:
            mix = self.add_float32(f"{name}_kernel", (channels, self.filters), pytorch)
            small = [keras.initializers.RandomNormal(stddev=1e-3) for _ in range(2)]
            scale, bias = (
                self.add_float32(f"{name}_{what}", (self.filters,), start)
                for what, start in zip(("scale", "bias"), small, strict=True)
            )
            self.edges[name] = mix, scale, bias

    def fused(self):
        kernel, bias = _chained(self.expand, self.squeeze)
        kernel, bias = kernel + self.plain[0], bias + self.plain[1]
        for name, (mix, scale, edge_bias) in self.edges.items():
            edge = np.array(EDGE_FILTERS[name], "float32")[..., None, None]
            kernel, bias = kernel + mix * scale * edge, bias + edge_bias
        return kernel, bias

    def get_config(self):
        return super().get_config() | {"gain": self.gain}


REPARAMETERIZED = {"span": BranchedConv2D, "sesr": CollapsibleConv2D, "ecb": EdgeOrientedConv2D}


def _chained(first, second):
    """(kernel, bias) of a 1x1 convolution followed by a 3x3 one, each given as (kernel, bias)."""
    (mix, mix_bias), (kernel, bias) = first, second
    return ops.matmul(mix[0, 0], kernel), ops.matmul(mix_bias, ops.sum(kernel, axis=(0, 1))) + bias


def _centered(kernel):
    """A 1x1 kernel as a 3x3 one."""
    return ops.pad(kernel, [(1, 1), (1, 1), (0, 0), (0, 0)])
