"""The functions that a notebook calls."""

import inspect
import subprocess
import sys

import pytest

import wdsr_tf.data
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("name", wdsr_tf.data.__all__)
def test_public_names_are_annotated_and_documented(name):
    exported = getattr(wdsr_tf.data, name)
    assert exported.__doc__ and "Args:" in exported.__doc__
    for parameter in inspect.signature(exported).parameters.values():
        assert parameter.annotation is not parameter.empty
        assert f"{parameter.name}:" in exported.__doc__


def test_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="make_pears"):
        wdsr_tf.data.make_pears  # noqa: B018


def test_importing_the_package_imports_nothing_heavy_and_functions_need_no_keras():
    code = (
        "import sys, wdsr_tf.data; print({'numpy', 'PIL', 'keras', 'tensorflow'} & {*sys.modules})\n"
        "from wdsr_tf.data import *; print({'keras', 'tensorflow'} & {*sys.modules}, callable(make_pairs))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.splitlines() == ["set()", "set() True"]
