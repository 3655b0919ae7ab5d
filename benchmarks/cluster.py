"""A million images on 64 workers, simulated with synthetic latencies: python -m benchmarks.cluster

No image is upscaled. What is simulated is when each worker is busy; `Shard` decides who does what, as in a real run.
"""

import heapq
import itertools
import random
import sys
from pathlib import PurePath

from benchmarks.measuring import print_header, print_row
from wdsr_tf.commands.command import Command
from wdsr_tf.distributed.shards import Shard

FINER = 10  # how many shards per worker are compared with one


def define(flags):
    flags.integer("images", 1_000_000, "How many images there are.", minimum=1)
    flags.integer("workers", 64, "Workers, or shards.", minimum=1)
    flags.number("median", 1.0, "Median seconds of an image; they are log-normal.", minimum=0)
    flags.number("sigma", 0.8, "Standard deviation of their logarithm: 1 in 40 takes 4.8 times the median.", minimum=0)
    flags.number("start", 20.0, "Seconds until a worker has opened its model.", minimum=0)
    flags.number("call", 0.001, "Seconds of the one driver for each image: Ray's call, the record, the bar.", minimum=0)
    flags.number(
        "deaths", 0.1, "Deaths of each worker per hour: its image is begun again, and the model opened.", minimum=0
    )
    flags.number("slow", 0.05, "Share of the machines that are half as fast.", minimum=0, maximum=1)
    flags.integer("seed", 0, "Of the random numbers.")


def run(flags, words):
    print(" ".join(["$ python -m benchmarks.cluster", *sys.argv[1:]]))
    print(
        f"{flags.images:,} images, log-normal with median {flags.median:g} s and sigma {flags.sigma:g}.\n"
        f"{flags.workers} workers, of which {flags.slow:.0%} are half as fast; each dies {flags.deaths:g} times an "
        f"hour and starts in {flags.start:g} s. The driver takes {1000 * flags.call:g} ms per image.\n"
    )
    rng = random.Random(flags.seed)
    seconds = [flags.median * rng.lognormvariate(0, flags.sigma) for _ in range(flags.images)]
    speeds = [0.5 if number < round(flags.slow * flags.workers) else 1.0 for number in range(flags.workers)]
    ideal = sum(seconds) / sum(speeds)
    print_header("", "hours", "of the ideal", "first worker idle after, h")
    print_row("ideal: no loss at all", f"{ideal / 3600:.2f}", "100%", "")
    shares = [[] for _ in range(FINER * flags.workers)]
    for number, each in enumerate(seconds):
        shares[Shard.index_of(PurePath(f"{number % 1000}/{number}.png"), len(shares))].append(each)
    count = flags.workers
    large = [[*itertools.chain(*shares[index::count])] for index in range(count)]
    ways = {f"{count} shards": array(large, speeds, flags, rng)}
    ways[f"{FINER * count} shards, {count} at a time"] = array(shares, speeds, flags, rng)
    ways["Ray, in any order"] = pool(seconds, speeds, flags, rng)
    ways["Ray, the largest first"] = pool(sorted(seconds, reverse=True), speeds, flags, rng)
    for way, ends in ways.items():
        print_row(way, f"{max(ends) / 3600:.2f}", f"{ideal / max(ends):.1%}", f"{min(ends) / 3600:.2f}")
    print(f"\nThe driver is busy {flags.call * flags.images / max(ends):.1%} of the time.")


def array(shares, speeds, flags, rng):
    """When each worker ends: it takes the next shard when it's free, and does its images one after the other."""
    free = [(0.0, worker) for worker in range(len(speeds))]
    for share in shares:
        now, worker = heapq.heappop(free)
        now += flags.start + sum(attempts(each / speeds[worker], flags, rng) for each in share)
        heapq.heappush(free, (now, worker))
    return [when for when, _ in free]


def pool(seconds, speeds, flags, rng):
    """When each worker of a pool ends: the driver hands out the images one by one."""
    free = [(flags.start, worker) for worker in range(len(speeds))]
    heapq.heapify(free)
    driver = 0.0
    for each in seconds:
        ready, worker = heapq.heappop(free)
        driver = max(ready, driver) + flags.call
        heapq.heappush(free, (driver + attempts(each / speeds[worker], flags, rng), worker))
    return [when for when, _ in free]


def attempts(seconds, flags, rng):
    """How long an image occupies its worker, with the deaths meanwhile: each costs what was done, and a start."""
    if rng.random() >= flags.deaths * seconds / 3600:
        return seconds
    return rng.random() * seconds + flags.start + seconds


COMMAND = Command("cluster", "Simulates many images on many workers.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "python -m benchmarks.cluster"))
