"""What was exported and how well, as a Markdown table of the cards."""

HEADER = ("file", "bytes", "largest difference", "mean", "PSNR", "loaded in", "LR megapixel")


def table(cards):
    """Yields the lines of a table with a row per card, or none where there is none; differences of all pictures."""
    if cards:
        yield row(HEADER)
        yield row(["---"] * len(HEADER))
    for card in cards:
        yield row((card["file"], *cells(card)))


def cells(card):
    """Size, differences, speed: what one exported file is measured by."""
    parity = card["parity"]
    pictures = parity["pictures"].values()
    largest, mean = (max(picture[key] for picture in pictures) for key in ("maximum", "mean"))
    return (
        f"{card['bytes']:,}",
        f"{largest:.2g} of {parity['limit']:g}",
        f"{mean:.2g}",
        f"{parity['pictures']['drawn']['psnr_difference']:+.4f} dB",
        f"{parity['load_seconds']:.2f} s",
        f"{parity['seconds_per_megapixel']:.1f} s",
    )


def row(cells):
    """A row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"
