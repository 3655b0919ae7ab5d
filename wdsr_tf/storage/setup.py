"""What decides about a result besides the bytes of its source, from facts that a journal keeps: without the source."""

import dataclasses

from wdsr_tf import images
from wdsr_tf.errors import InputError
from wdsr_tf.inference.journal import options_hash
from wdsr_tf.inference.jpeg import is_noisy_jpeg

KINDS = ("image", "jpeg", "video")  # "jpeg": a noisy one


class Setup:
    """How results are made in this run.

    Args:
        upscaler: an `Upscaler`.
        naming: options that decide about the names and formats of results.
        video: `VideoOptions`.
    """

    def __init__(self, upscaler, naming: dict, video):
        self._upscaler, self._naming, self._video = upscaler, naming, video

    def facts(self, path, is_video: bool) -> str:
        """Returns `HEIGHT WIDTH KIND` of a file; "" if it can't be read, which is reported when it's upscaled."""
        try:
            if is_video:
                from wdsr_tf.video.source import open_source

                source = open_source(path)
                return f"{source.height} {source.width} video"
            height, width = images.size(path, float("inf"))
            return f"{height} {width} {'jpeg' if is_noisy_jpeg(path) else 'image'}"
        except (InputError, OSError):
            return ""

    def of(self, facts: str, names: tuple[str, ...]) -> str:
        """Returns a checksum of all that decides about the result, or "" if the facts are damaged.

        Args:
            facts: about the source.
            names: of all sources whose results could get the same name.
        """
        words = facts.split(" ")
        if len(words) != 3 or not all(word.isascii() and word.isdigit() for word in words[:2]) or words[2] not in KINDS:
            return ""
        try:
            recipe = self._upscaler.recipe_of(int(words[0]), int(words[1]), words[2] == "jpeg")
        except InputError:
            return ""
        video = dataclasses.asdict(self._video) if words[2] == "video" else None
        return options_hash({"recipe": recipe, "naming": self._naming, "names": names, "video": video})
