"""How much of an image is done."""


class Progress:
    """Reports LR pixels, as tiles finish, as a fraction of all.

    Args:
        report: called with the fraction, up to 1.0; or None.
        total: how many pixels there are.
    """

    def __init__(self, report, total):
        self._report, self._total, self._done = report or (lambda fraction: None), total, 0.0

    def add(self, pixels):
        self._done += pixels
        self._report(min(1.0, self._done / self._total))

    def finish(self):
        if self._done < self._total:
            self._report(1.0)
