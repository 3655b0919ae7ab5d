"""Spectral normalization of a convolution's kernel."""

import keras
from keras import layers, ops

EPSILON = 1e-12  # the least length that a vector is divided by


@keras.saving.register_keras_serializable("wdsr_tf")
class SpectralNormConv2D(layers.Layer):
    """A convolution with the kernel W / sigma, where sigma estimates the largest singular value of W.

    Miyato et al., ICLR 2018, https://arxiv.org/abs/1802.05957. W is the matrix of the kernel, one column per filter.
    Each call in training first makes one power iteration, v = W u / |W u| and u = W^T v / |W^T v|; inference uses the
    stored vectors, which are random before the first call in training. sigma = v^T W u. Gradients run through sigma, in
    which u and v are constants. This is `torch.nn.utils.spectral_norm`, which Real-ESRGAN uses.

    The weights, in this order, are kernel, bias (if any), u (filters,) and v (kernel_size^2 * channels,). All of them,
    and sigma, are float32 whatever the dtype policy, and the kernel is only changed by an optimizer: what is cast is
    the finished kernel.

    Args:
        filters: number of output channels.
        kernel_size: side of the square kernel.
        strides: step of the kernel in both directions.
        padding: "same" (zeros, as TensorFlow has them) or "valid".
        use_bias: whether a bias is added.
        kernel_initializer: initializer of W.
        bias_initializer: initializer of the bias.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: str = "same",
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape):
        inputs = self.kernel_size**2 * input_shape[-1]
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        self.kernel = self._weight("kernel", shape, self.kernel_initializer)
        self.bias = self._weight("bias", (self.filters,), self.bias_initializer) if self.use_bias else None
        self.u = self._weight("u", (self.filters,), _random_direction, trainable=False)
        self.v = self._weight("v", (inputs,), _random_direction, trainable=False)

    def _weight(self, name, shape, initializer, trainable=True):
        # Every replica computes the same vectors, so any of them can write its own.
        aggregation = "none" if trainable else "only_first_replica"
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            dtype="float32",
            trainable=trainable,
            autocast=False,
            aggregation=aggregation,
            name=name,
        )

    @property
    def sigma(self):
        """The estimate of the largest singular value by the stored vectors."""
        return self._sigma(ops.convert_to_tensor(self.u), ops.convert_to_tensor(self.v))

    def call(self, inputs, training=None):
        if training:
            u, v = self._iterated()
            self.u.assign(u)
            self.v.assign(v)
        else:
            u, v = ops.convert_to_tensor(self.u), ops.convert_to_tensor(self.v)
        kernel = self.kernel / self._sigma(ops.stop_gradient(u), ops.stop_gradient(v))
        outputs = ops.conv(inputs, ops.cast(kernel, self.compute_dtype), self.strides, self.padding)
        return outputs if self.bias is None else outputs + ops.cast(self.bias, self.compute_dtype)

    # Sums of products rather than matrix products, which GPUs compute with 10 bits of each factor.

    def _sigma(self, u, v):
        return ops.sum(self._matrix() * v[:, None] * u)

    def _iterated(self):
        matrix = ops.stop_gradient(self._matrix())
        v = _unit(ops.sum(matrix * self.u, axis=1))
        return _unit(ops.sum(matrix * v[:, None], axis=0)), v

    def _matrix(self):
        return ops.reshape(self.kernel, (-1, self.filters))

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        cropped = 0 if self.padding == "same" else self.kernel_size - 1
        sides = [side and -(-(side - cropped) // self.strides) for side in (height, width)]
        return (batch, *sides, self.filters)

    def get_config(self):
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }


def _random_direction(shape, dtype=None):
    return _unit(keras.random.normal(shape, dtype=dtype))


def _unit(vector):
    return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector))), EPSILON)
