import numpy as np
import pytest

from tests.helpers import weight_files as made
from wdsr_tf.errors import InputError
from wdsr_tf.importers import formats
from wdsr_tf.importers.formats import limits


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite_in_float32_are_refused(tmp_path, value):
    np.savez(tmp_path / "a.npz", good=np.ones(2), bad=np.array([1.0, value]))
    with pytest.raises(InputError, match="'bad' has values that aren't finite"):
        formats.read(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "", "a" * 300])
def test_names_that_could_control_a_terminal_are_refused(tmp_path, name):
    code = made.dictionary({name: made.tensor(made.storage("0", 1), [1])})
    with pytest.raises(InputError, match="names must be printable") as caught:
        formats.read(made.pytorch_zip(tmp_path / "a.pth", made.pickled(code), [bytes(4)]))
    assert str(caught.value).isprintable()


def test_shapes_and_sums_over_the_limits_are_refused():
    with pytest.raises(InputError, match="impossible shape"):
        limits.Budget().take("a", (1,) * 9)
    with pytest.raises(InputError, match="impossible shape"):
        limits.Budget().take("a", (-1,))
    budget = limits.Budget()
    budget.take("a", (limits.MAX_BYTES // 8,))
    with pytest.raises(InputError, match="the tensors up to 'b'"):
        budget.take("b", (limits.MAX_BYTES // 8 + 1,))
