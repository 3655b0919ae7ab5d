"""`wdsr-tf upscale --dry-run`: what would be done, and about how long it would take."""

from wdsr_tf import images
from wdsr_tf.commands.output import complain_of, say
from wdsr_tf.errors import InputError, sentence
from wdsr_tf.inference.forecast import Forecast
from wdsr_tf.system.terminal import one_line


def explain(upscaler, todo, self_ensemble, shown=one_line):
    """Says what would be done with the pairs (source, target) from any iterable, as `shown`; returns the exit code."""
    forecast, total, failed, count = Forecast(upscaler, self_ensemble), 0.0, 0, 0
    for source, target in todo:
        count += 1
        try:
            height, width = images.size(source, upscaler.max_pixels)
            result = upscaler.result_size(height, width)
            passes = forecast.passes(source)
            times = images.page_count(source)
            repeats = (
                f"; {times} pages like this" if times > 1 else "; each frame" if images.is_animated(source) else ""
            )
        except (InputError, OSError) as error:
            complain_of("Would fail", shown(source), InputError(shown(sentence(error))))
            failed = 1
            continue
        seconds = times * sum(each.seconds for each in passes)
        total += seconds
        steps = "; ".join(map(described, passes)) or "resized"
        sizes = f"{width} x {height} -> {result[1]} x {result[0]}"
        say(f"{shown(source)} -> {shown(target)}: {sizes}, {steps}; {duration(seconds)}{repeats}")
    if count > 1:
        say(f"{count} images, {duration(total)}, without reading and writing files.")
    return failed


def described(each):
    """A phrase for a `Pass`: `m in 4 tiles of 360 x 270 pixels (131 MiB)`."""
    tiles = f"{each.tiles} tile{'s' if each.tiles > 1 else ''}"
    return f"{each.model} in {tiles} of {each.tile[1]} x {each.tile[0]} pixels ({-(-each.memory // 2**20)} MiB)"


def duration(seconds):
    """`about 12 s`, `about 3 min`, `about 2.5 h`."""
    if seconds < 1:
        return "less than 1 s"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
