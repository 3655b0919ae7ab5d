import ctypes

import pytest

from wdsr_tf.system import cuda


class Driver:
    """NVIDIA's driver library with two GPUs; `failing` is a function that returns an error."""

    def __init__(self, failing=None):
        self.failing, self.contexts, self.retained = failing, [], 0

    def __getattr__(self, name):
        def call(*arguments):
            if name == self.failing:
                return 100
            getattr(self, f"_{name}")(*arguments)
            return 0

        return call

    def _cuInit(self, flags):  # noqa: N802  (the library's names)
        pass

    def _cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = 2

    def _cuDeviceGet(self, device, number):  # noqa: N802
        device._obj.value = number

    def _cuDeviceGetName(self, text, length, device):  # noqa: N802
        text.value = f"GPU of number {device.value}".encode()

    def _cuDevicePrimaryCtxRetain(self, context, device):  # noqa: N802
        context._obj.value = 77 + device.value
        self.retained += 1

    def _cuDevicePrimaryCtxRelease_v2(self, device):  # noqa: N802
        self.retained -= 1

    def _cuCtxPushCurrent_v2(self, context):  # noqa: N802
        self.contexts.append(context.value)

    def _cuCtxPopCurrent_v2(self, context):  # noqa: N802
        self.contexts.pop()

    def _cuMemGetInfo_v2(self, left, total):  # noqa: N802
        left._obj.value, total._obj.value = self.contexts[-1] * 2**30, 200 * 2**30


def test_gpus_have_names_and_free_memory(monkeypatch):
    driver = Driver()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    assert cuda.names() == ["GPU of number 0", "GPU of number 1"]
    assert cuda.free(1) == 78 * 2**30
    assert driver.retained == 0 and driver.contexts == []


def test_a_driver_that_is_missing_or_fails_has_none(monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert cuda.names() == []
    for failing in ("cuInit", "cuDeviceGetCount"):
        monkeypatch.setattr(ctypes, "CDLL", lambda name, failing=failing: Driver(failing))
        assert cuda.names() == []
    driver = Driver("cuMemGetInfo_v2")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    with pytest.raises(OSError, match="error 100"):
        cuda.free(0)
    assert driver.retained == 0 and driver.contexts == []
