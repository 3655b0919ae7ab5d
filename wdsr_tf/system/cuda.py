"""NVIDIA GPUs, through the driver's own library: which there are, and how much of their memory is free.

https://docs.nvidia.com/cuda/cuda-driver-api/; the numbers are those of ONNX Runtime and of CUDA_VISIBLE_DEVICES.
"""

import contextlib
import ctypes
import os

LIBRARY = "nvcuda.dll" if os.name == "nt" else "libcuda.so.1"
LONGEST_NAME = 256


def names() -> list[str]:
    """Returns the names of the GPUs that this process may use; none if there is no driver."""
    try:
        driver, count = _driver(), ctypes.c_int()
        _call(driver.cuDeviceGetCount, ctypes.byref(count))
        return [_name(driver, number) for number in range(count.value)]
    except OSError:
        return []


def free(number: int) -> int:
    """Returns the free bytes of a GPU's memory; raises OSError if the driver doesn't tell."""
    driver, context = _driver(), ctypes.c_void_p()
    device = _device(driver, number)
    _call(driver.cuDevicePrimaryCtxRetain, ctypes.byref(context), device)
    try:
        with _current(driver, context):
            left, total = ctypes.c_size_t(), ctypes.c_size_t()
            _call(driver.cuMemGetInfo_v2, ctypes.byref(left), ctypes.byref(total))
            return left.value
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)


def _driver():
    driver = ctypes.CDLL(LIBRARY)  # raises OSError if it isn't there
    _call(driver.cuInit, 0)
    return driver


def _device(driver, number):
    device = ctypes.c_int()
    _call(driver.cuDeviceGet, ctypes.byref(device), number)
    return device


def _name(driver, number):
    text = ctypes.create_string_buffer(LONGEST_NAME)
    _call(driver.cuDeviceGetName, text, LONGEST_NAME, _device(driver, number))
    return text.value.decode(errors="replace")


@contextlib.contextmanager
def _current(driver, context):
    """Makes `context` that of this thread meanwhile."""
    _call(driver.cuCtxPushCurrent_v2, context)
    try:
        yield
    finally:
        driver.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))


def _call(function, *arguments):
    if code := function(*arguments):
        raise OSError(f"The NVIDIA driver reports error {code}.")
