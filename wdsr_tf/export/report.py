"""Formats the cards of exported models as a Markdown table."""

from collections.abc import Iterable, Iterator

HEADER = ("file", "bytes", "largest difference", "mean", "PSNR", "load time", "time per LR megapixel")


def table(cards: list[dict]) -> Iterator[str]:
    """Yields the lines of a table with a row per card, or nothing if there are no cards."""
    if cards:
        yield row(HEADER)
        yield row(["---"] * len(HEADER))
    for card in cards:
        yield row((card["file"], *cells(card)))


def losses(cards: list[dict]) -> Iterator[str]:
    """Yields a line per int8 card with what int8 costs."""
    for card in cards:
        if "int8" in card:
            cost = card["int8"]
            yield (
                f"{card['file']}: int8 costs {cost['loss']:.3f} dB of PSNR on the images {cost['calibration']}"
                + (f", more than {cost['limit']:.2f}." if cost["loss"] > cost["limit"] else ".")
            )


def cells(card: dict) -> tuple[str, ...]:
    """Returns size, largest and mean difference over all images, PSNR difference, load time and speed."""
    parity = card["parity"]
    images = parity["pictures"].values()
    largest, mean = (max(image[key] for image in images) for key in ("maximum", "mean"))
    return (
        f"{card['bytes']:,}",
        f"{largest:.2g} of {parity['limit']:g}",
        f"{mean:.2g}",
        f"{parity['pictures']['drawn']['psnr_difference']:+.4f} dB",
        f"{parity['load_seconds']:.2f} s",
        f"{parity['seconds_per_megapixel']:.1f} s",
    )


def row(cells: Iterable) -> str:
    """Returns a row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"
