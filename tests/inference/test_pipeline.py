import contextlib
import threading
import time

import pytest

from wdsr_tf.inference.pipeline import OrderedLines, Task, in_order


def test_what_is_seen_is_in_order_however_long_each_task_takes():
    for jobs in (1, 2, 5):
        seen = []
        lines = OrderedLines(seen.append)

        def work(turn, number, lines=lines, seen=seen):
            with lines.of(number):
                lines(f"{number} begins")
                time.sleep(0.002 * (number % 3 == 0))
                turn.wait()
                lines(f"{number} ends")
                if number == 4:
                    raise ValueError(number)
                return number

        tasks = (Task(lambda turn, number=number: work(turn, number)) for number in range(9))
        results = list(in_order(tasks, jobs, 0, lines.next))
        assert [str(result) for result in results] == list("012345678") and isinstance(results[4], ValueError)
        assert seen == [f"{number} {what}" for number in range(9) for what in ("begins", "ends")]


def test_a_task_that_fails_at_once_lets_no_later_one_overtake_those_before_it():
    seen = []

    def work(turn, number):
        if number == 1:
            raise ValueError
        time.sleep(0.05 * (number == 0))
        turn.wait()
        seen.append(number)

    list(in_order((Task(lambda turn, number=number: work(turn, number)) for number in range(3)), 3, 0))
    assert seen == [0, 2]


@pytest.mark.parametrize("room, most", [(0, 1), (79, 1), (99, 2), (100, 3)])
def test_tasks_run_at_once_as_far_as_memory_allows(room, most):
    running, counts, lock, together = [], [], threading.Lock(), threading.Barrier(most)

    def work(turn):
        with lock:
            running.append(1)
            counts.append(len(running))
        together.wait(timeout=30)
        time.sleep(0.01)  # in which one too many would be counted
        with lock:
            running.pop()

    list(in_order([Task(work, network=40, held=20)] * 6, 3, room))
    assert max(counts) == most


def test_a_fatal_failure_lets_earlier_tasks_end_and_no_later_one_have_its_turn():
    ended = []

    def work(turn, number):
        if number == 2:
            raise OSError(28, "full")
        time.sleep(0.01)
        turn.wait()
        ended.append(number)

    tasks = (Task(lambda turn, number=number: work(turn, number)) for number in range(9))
    results = list(in_order(tasks, 4, 0, is_fatal=lambda error: isinstance(error, OSError)))
    assert ended == [0, 1] and len(results) == 3 and isinstance(results[2], OSError)


def test_closing_stops_tasks_that_run_and_starts_no_others():
    begun, stopped = [], []

    def work(turn, number):
        begun.append(number)
        while number:
            time.sleep(0.001)
            try:
                turn.check()
            except KeyboardInterrupt:
                stopped.append(number)
                raise

    tasks = (Task(lambda turn, number=number: work(turn, number)) for number in range(9))
    with contextlib.closing(in_order(tasks, 2, 0)) as results:
        next(results)
    assert begun == stopped or begun[1:] == stopped
    assert len(begun) <= 3


def test_an_interrupt_in_a_task_is_raised_where_results_are_awaited():
    def work(turn):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(in_order([Task(work)], 2, 0))
