import random

from wdsr_tf.distributed.dispatch import TRIES, Dispatch


def taken(dispatch, worker):
    """What the worker is given now."""
    tasks = []
    while (task := dispatch.next(worker)) is not None:
        tasks.append(task)
    return tasks


def test_tasks_are_begun_in_order_and_a_worker_has_no_more_than_its_window():
    dispatch = Dispatch("abcd", window=2)
    assert taken(dispatch, 1) == ["a", "b"] and taken(dispatch, 2) == ["c", "d"] and taken(dispatch, 1) == []
    for worker, task in ((1, "a"), (1, "b"), (2, "c")):
        dispatch.done(worker, task)
    assert not dispatch.is_finished and dispatch.left == 1
    dispatch.done(2, "d")
    assert dispatch.is_finished


def test_what_was_in_a_worker_that_died_is_tried_again_alone_and_after_the_others():
    dispatch = Dispatch("abc", window=2)
    assert taken(dispatch, 1) == ["a", "b"]
    assert not dispatch.died(1, "a") and not dispatch.died(1, "b")
    assert taken(dispatch, 2) == ["c"]  # and nothing beside it that may kill the worker
    dispatch.done(2, "c")
    assert taken(dispatch, 2) == ["a"] and dispatch.is_again("a") and not dispatch.is_again("c")


def test_only_the_task_that_kills_its_workers_is_given_up():
    rng = random.Random(0)
    for _ in range(200):
        bad, window = set(rng.sample(range(12), 2)), rng.randint(1, 3)
        dispatch, finished, given_up, deaths, alive = Dispatch(range(12), window), [], [], 0, [0, 1, 2]
        running = {worker: [] for worker in alive}
        while not dispatch.is_finished:
            for worker in running:
                running[worker] += taken(dispatch, worker)
            worker = rng.choice([worker for worker in running if running[worker]])
            if bad.isdisjoint(running[worker]):
                task = running[worker].pop(rng.randrange(len(running[worker])))
                dispatch.done(worker, task)
                finished.append(task)
                continue
            given_up += [task for task in running.pop(worker) if dispatch.died(worker, task)]
            deaths += 1
            running[max(running, default=0) + deaths] = []
        assert set(given_up) == bad and sorted(finished + given_up) == list(range(12))
        assert deaths <= 2 * TRIES
