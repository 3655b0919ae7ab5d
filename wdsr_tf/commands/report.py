"""`wdsr-tf report`: what became of the images of an output folder, whichever processes upscaled them."""

from wdsr_tf.commands.command import Command
from wdsr_tf.commands.output import complain, say
from wdsr_tf.errors import InputError
from wdsr_tf.system.terminal import one_line


def define(flags):
    flags.switch("json", False, "Print JSON.")


def run(flags, words):
    from wdsr_tf.distributed.report import report

    if len(words) != 1:
        raise InputError("Name one output folder: wdsr-tf report OUT.")
    found = report(words[0])
    if flags.json:
        say_json(found)
    else:
        say_text(found)
    return 0 if found.is_good else 1


def say_text(found):
    """Prints a `Report` for people; problems go to stderr."""
    say(
        f"{found.done} done ({found.kept} of them kept by the latest run), {found.failed} failed, {found.skipped} "
        f"skipped, {found.quarantined} quarantined, {found.lost} lost"
    )
    if found.done:
        say(
            f"{found.pixels / 1e6:.1f} megapixels in {found.elapsed:.1f} s, {found.seconds:.1f} s of work: "
            f"{found.images_per_second:.2f} images/s, {found.megapixels_per_second:.2f} megapixels/s"
        )
    if found.repeated:
        say(f"{found.repeated} results were made more than once in a run.")
    if found.broken:
        say(f"{found.broken} lines of the journals can't be read; their images count as if they weren't there.")
    for outcome, source, reason in found.problems:
        complain(f"{outcome.capitalize()}: {one_line(source)}: {one_line(reason.removeprefix(f'{source}: '))}")


def say_json(found):
    """Prints a `Report` for programs."""
    import dataclasses
    import json

    rates = {"images_per_second": found.images_per_second, "megapixels_per_second": found.megapixels_per_second}
    problems = [dict(zip(("outcome", "source", "reason"), each, strict=True)) for each in found.problems]
    say(json.dumps(dataclasses.asdict(found) | rates | {"problems": problems}, indent=2))


COMMAND = Command(
    "report",
    "Says what became of the images of an output folder.",
    define,
    run,
    words="OUT",
    description=(
        "Joins the journals of all runs, shards and workers that wrote to OUT: images that are done, kept, failed, "
        "skipped (a file of other origin is in the place) or quarantined (they killed their workers), and results that "
        "are lost. An image that failed counts until it's done. The exit code is 1 if any failed, was quarantined or "
        "lost."
    ),
)
