"""A run's history as an image: PSNR, loss and learning rate against the epoch, and what a discriminator says.

Drawn with Pillow: matplotlib would add nine packages to the installation, and half a second to every epoch.
"""

import math

from PIL import Image, ImageDraw, ImageFont

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 960, 76, 20, 34, 26  # pixels: a panel's width, and its margins around the axes
INK, FAINT = "#333333", "#e2e2e2"
PANELS = [  # title, height, where a run starts, {column of history.csv: (label, color)}
    (
        "PSNR (dB)",
        320,
        "low",
        {
            "psnr": ("training", "#b0b0b0"),
            "val_psnr": ("validation", "#1f77b4"),
            "ema_psnr": ("validation, averaged weights", "#d95f02"),
            "bicubic_psnr": ("bicubic", "#2ca02c"),
        },
    ),
    ("loss", 240, "high", {"loss": ("training", "#b0b0b0"), "val_loss": ("validation", "#1f77b4")}),
    (
        "terms",
        240,
        "high",
        {
            "pixel_loss": ("pixel", "#b0b0b0"),
            "perceptual_loss": ("perceptual", "#2ca02c"),
            "adversarial_loss": ("adversarial", "#1f77b4"),
            "discriminator_loss": ("discriminator", "#d95f02"),
        },
    ),
    (
        "discriminator's logits",
        240,
        None,
        {"real_logit": ("of HR", "#2ca02c"), "fake_logit": ("of SR", "#d95f02")},
    ),
    (
        "learning rate",
        160,
        None,
        {
            "learning_rate": ("at the end of the epoch", "#555555"),
            "discriminator_learning_rate": ("discriminator", "#d95f02"),
        },
    ),
]
OPTIONAL = {"terms", "discriminator's logits"}  # panels that are left out if no row has their columns
OUTLIERS = 20  # one value in so many, from the start of a run, may lie outside the axes


def draw(rows):
    """Draws a history: rows with `epoch` and columns of `PANELS`, any of which may be missing or not finite."""
    columns = {name for row in rows for name in row}
    panels = [panel for panel in PANELS if panel[0] not in OPTIONAL or columns & panel[-1].keys()]
    image = Image.new("RGB", (2 * WIDTH, 2 * sum(height for _, height, *_ in panels)), "white")
    top = 0
    for title, height, start, lines in panels:
        image.paste(_panel(rows, title, height, start, lines), (0, 2 * top))
        top += height
    return image.reduce(2)  # drawn at twice its size, because Pillow's lines have hard edges


def _panel(rows, title, height, start, lines):
    series = {text: (color, _points(rows, column)) for column, (text, color) in lines.items()}
    series = {text: (color, points) for text, (color, points) in series.items() if points}
    x_ticks, x_low, x_high = _axis([row["epoch"] for row in rows], 12, whole=True)
    y_ticks, y_low, y_high = _axis(_without_outliers(series, start), height // 45)
    wide, high = WIDTH - LEFT - RIGHT, height - TOP - BOTTOM

    def place(x, y):
        return 2 * wide * (x - x_low) / (x_high - x_low), 2 * high * (y_high - y) / (y_high - y_low)

    panel, inside = (Image.new("RGB", (2 * w, 2 * h), "white") for w, h in ((WIDTH, height), (wide, high)))
    pen, pen_inside, font = ImageDraw.Draw(panel), ImageDraw.Draw(inside), ImageFont.load_default(24)
    for y in y_ticks:
        pen_inside.line([(0, place(x_low, y)[1]), (2 * wide, place(x_low, y)[1])], FAINT, 2)
        pen.text((2 * LEFT - 14, 2 * TOP + place(x_low, y)[1]), f"{y:.6g}", INK, font, "rm")
    for x in x_ticks:
        pen_inside.line([(place(x, y_low)[0], 0), (place(x, y_low)[0], 2 * high)], FAINT, 2)
        pen.text((2 * LEFT + place(x, y_low)[0], 2 * (height - BOTTOM) + 8), f"{x:.0f}", INK, font, "mt")
    pen.text((2 * LEFT - 30, 2 * (height - BOTTOM) + 8), "epoch", INK, font, "rt")
    for color, points in series.values():
        for some in _unbroken(points):
            _line(pen_inside, [place(*point) for point in some], color)
    panel.paste(inside, (2 * LEFT, 2 * TOP))
    pen.rectangle([2 * LEFT, 2 * TOP, 2 * (WIDTH - RIGHT), 2 * (height - BOTTOM)], outline=INK, width=2)
    _headline(pen, title, series, font)
    return panel


def _points(rows, column):
    """(epoch, value) of each row, None if it has no finite value; empty if no row has one."""
    values = [(row["epoch"], row.get(column)) for row in rows]
    points = [(x, float(y)) if y is not None and math.isfinite(y) else None for x, y in values]
    return points if any(points) else []


def _unbroken(points):
    """The sequences of points without a gap."""
    runs = [[]]
    for point in points:
        if point:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _line(pen, points, color):
    if len(points) > 1:
        pen.line(points, color, 4 if len(points) < WIDTH else 2)
    else:
        (x, y) = points[0]
        pen.ellipse([x - 6, y - 6, x + 6, y + 6], color)


def _headline(pen, title, series, font):
    """Draws the panel's title, and each line's color, label and last value."""
    pen.text((2 * LEFT, 16), title, INK, font)
    x = 2 * LEFT + pen.textlength(title, font) + 40
    for text, (color, points) in series.items():
        _, last = [point for point in points if point][-1]
        pen.line([(x, 32), (x + 36, 32)], color, 6)
        label = f"{text}: {last:.4g}"
        pen.text((x + 48, 16), label, INK, font)
        x += 48 + pen.textlength(label, font) + 40


def _without_outliers(series, start):
    """The values without the extreme ones at the start of the run, which would flatten the rest."""
    values = sorted(y for _, points in series.values() for _, y in filter(None, points))
    few = len(values) // OUTLIERS
    return values[few if start == "low" else 0 : len(values) - (few if start == "high" else 0)]


def _axis(values, most, whole=False):
    """(ticks, low, high): at most about `most` round numbers, and an axis that includes all `values`."""
    low, high = (min(values), max(values)) if values else (0, 1)
    pad = 0 if whole else (high - low) * 0.04
    if low == high:
        pad = 1 if whole else abs(high) * 0.05 or 1
    low, high = low - pad, high + pad
    step = 10 ** math.floor(math.log10((high - low) / most))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= most)
    step = max(step, 1) if whole else step
    ticks = [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return ticks, low, high
