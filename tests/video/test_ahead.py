import threading
import time

import pytest

from wdsr_tf.video.ahead import ahead


def test_items_come_in_order_and_are_made_while_others_are_used():
    made = []

    def items():
        for number in range(6):
            made.append(number)
            yield number

    taken = ahead(items(), 2)
    assert next(taken) == 0
    for _ in range(100):
        if len(made) >= 3:
            break
        time.sleep(0.01)
    assert 3 <= len(made) <= 5  # two wait, and one is made
    assert [*taken] == [1, 2, 3, 4, 5]


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        raise ValueError("broken")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(ValueError, match="broken"):
        next(taken)


def test_closing_ends_the_thread_and_closes_what_it_runs():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    before = threading.active_count()
    taken = ahead(ahead(items()))
    next(taken)
    taken.close()
    assert closed.is_set() and threading.active_count() == before
