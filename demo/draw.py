"""Draws the demo images, or any number of random scenes to train on; none of them was downloaded.

`python demo/draw.py` draws harbour.png and poster.png beside this file; `--count 24 --size 480 -o DIR` draws scenes.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the script runs from any folder, uninstalled

from wdsr_tf import images
from wdsr_tf.commands.command import Command, say

WORDS = ("sharp", "edge", "grain", "fine line", "wave", "pixel", "shadow", "bridge", "leaf", "Ink", "1895", "042")


def define(flags):
    folder = str(Path(__file__).resolve().parent)
    flags.string("outdir", folder, "Folder for the images. Default: the script's own.", short="o")
    flags.integer("count", 0, "Number of random scenes to draw. Default: 0, which draws the demo images.", minimum=0)
    flags.integer("size", 480, "Height and width of a random scene in pixels.", minimum=32)
    flags.integer("seed", 1, "Seed of the random scenes: the same seed draws the same scenes.", minimum=0)


def run(flags, words):
    outdir = Path(flags.outdir)
    if not flags.count:
        images.write(outdir / "harbour.png", harbour())
        images.write(outdir / "poster.png", poster())
    for i in range(flags.count):
        images.write(outdir / f"scene-{i + 1:03d}.png", scene(np.random.default_rng((flags.seed, i)), flags.size))
    say(f"{flags.count or 2} images written to {outdir}.")


class Sheet:
    """A drawing surface `fine` times as fine as the image that it becomes; coordinates are the image's pixels."""

    def __init__(self, background, fine):
        self.image = Image.fromarray(background)
        self.fine = fine
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    def _scaled(self, points):
        return [(x * self.fine, y * self.fine) for x, y in points]

    def polygon(self, points, fill):
        self.pen.polygon(self._scaled(points), fill)

    def line(self, points, fill, width=1.0):
        self.pen.line(self._scaled(points), fill, max(1, round(width * self.fine)), joint="curve")

    def box(self, x, y, width, height, fill):
        self.polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], fill)

    def disc(self, x, y, radius, fill=None, outline=None, width=1.0):
        box = self._scaled([(x - radius, y - radius), (x + radius, y + radius)])
        self.pen.ellipse(box, fill, outline, max(1, round(width * self.fine)))

    def text(self, x, y, words, size, fill, anchor="la"):
        font = ImageFont.load_default(size * self.fine)
        self.pen.text((x * self.fine, y * self.fine), words, fill, font, anchor=anchor)

    def pixels(self):
        """The surface as an array."""
        return np.asarray(self.image)

    def finished(self):
        """The image: each pixel is the mean of those that were drawn for it."""
        return np.asarray(self.image.reduce(self.fine))


def gradient(shape, stops, across=0.0):
    """A smooth run of colors from top to bottom, tilted by `across`; `stops` are (position in 0..1, color)."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    along = (y / shape[0] + across * x / shape[1]) / (1 + abs(across))
    position, colors = zip(*stops, strict=True)
    return np.stack([np.interp(along, position, channel) for channel in zip(*colors, strict=True)], axis=-1)


def noise(rng, shape, cell, octaves=4):
    """Smooth noise in -1..1 with details from `cell` = (height, width) pixels down by halves."""
    total = np.zeros(shape)
    for octave in range(octaves):
        grid = [max(2, round(length * 2**octave / side) + 1) for length, side in zip(shape, cell, strict=True)]
        rough = Image.fromarray(rng.uniform(-1, 1, grid).astype("float32"))
        total += np.asarray(rough.resize(shape[::-1], Image.Resampling.BICUBIC)) / 2**octave
    return np.clip(total / 1.5, -1, 1)


def curve(*controls, steps=40):
    """Points on the Bezier curve with these control points."""
    t = np.linspace(0, 1, steps)[:, None]
    points = [np.array([control], "float64") for control in controls]
    while len(points) > 1:
        points = [a * (1 - t) + b * t for a, b in itertools.pairwise(points)]
    return [tuple(point) for point in points[0]]


def harbour(width=320, height=200, fine=4):
    """A harbour in the evening: a town and a lighthouse mirrored in the water, boats, a quay with a sign."""
    rng = np.random.default_rng(7)
    horizon = 112
    shape = (horizon * fine, width * fine)
    dusk = [(0, (34, 48, 92)), (0.4, (104, 92, 142)), (0.72, (226, 140, 116)), (1, (255, 218, 156))]
    sky = gradient(shape, dusk)
    clouds = np.clip(noise(rng, shape, (22 * fine, 110 * fine), 5) * 1.8 - 0.15, 0, 1)[..., None]
    sky += clouds * (np.array([255, 196, 176]) - sky) * 0.55
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]] / fine
    distance = np.hypot(x - 214, y - 97)[..., None]
    sky += (np.array([255, 236, 190]) - sky) * np.exp(-distance / 30) * 0.9
    sky += (np.array([255, 250, 226]) - sky) * np.clip(10.5 - distance, 0, 1)

    shore = Sheet(images.to_uint8(sky), fine)
    for base, roughness, color in ((96, 13, (150, 112, 138)), (104, 9, (92, 82, 118))):
        ridge = base + roughness * noise(rng, (2, width + 1), (2, 70), 5)[0]
        shore.polygon([(0, horizon), *enumerate(ridge), (width, horizon)], color)
    _town(shore, rng, horizon)
    _lighthouse(shore, 284, horizon)

    water = _mirrored(shore.pixels(), (height - horizon) * fine, fine)
    sheet = Sheet(np.concatenate([shore.pixels(), water]), fine)
    for _ in range(330):  # glitter below the sun, wider towards us
        depth = rng.uniform(0, 1) ** 1.5
        x, y = 214 + rng.normal(0, 4 + 26 * depth), horizon + 1 + 86 * depth
        half = rng.uniform(0.8, 2.2) * (1 + 3 * depth)
        glow = (255, 226, 170, int(210 * (1 - 0.75 * depth)))
        sheet.polygon([(x - half, y), (x, y - 0.3 - 0.5 * depth), (x + half, y), (x, y + 0.3 + 0.5 * depth)], glow)
    _boat(sheet, 247, 133, 0.55, (222, 226, 232), (64, 96, 128))
    _boat(sheet, 152, 158, 1.25, (250, 238, 214), (150, 40, 44))
    _quay(sheet, rng, height)
    for x, y, span in ((120, 30, 7), (136, 40, 5), (104, 45, 4), (186, 22, 5.5)):  # gulls
        for side in (-1, 1):
            wing = curve((x, y), (x + side * span * 0.4, y - span * 0.7), (x + side * span, y - span * 0.1))
            sheet.line(wing, (38, 36, 58), 0.9)
    return sheet.finished()


def _mirrored(shore, rows, fine):
    """Water of `rows` rows below `shore`: its mirror image, moved by waves that grow towards us."""
    height, width = shore.shape[:2]
    y, x = np.mgrid[0:rows, 0:width].astype("float64")
    depth = y / rows
    phase = 26 * np.log1p(7 * depth)  # waves look longer where they are nearer
    swell = np.sin(phase * 3 + 5 * np.sin(x / (31 * fine) + depth * 9)) + 0.5 * np.sin(phase * 7 - x / (9 * fine))
    row = np.clip(height - 1 - y * 1.15 + fine * (1 + 6 * depth) * swell, 0, height - 1).astype(int)
    column = np.clip(x + fine * (0.5 + 3 * depth) * swell, 0, width - 1).astype(int)
    shade = (0.80 - 0.34 * depth + 0.06 * swell)[..., None]
    return images.to_uint8(shore[row, column] * shade + np.array([8, 20, 34]))


def _town(sheet, rng, ground):
    x = -6.0
    walls = [(206, 148, 112), (184, 112, 96), (222, 186, 140), (140, 124, 132), (198, 168, 152)]
    for i in range(9):
        wide, tall = rng.uniform(13, 20), rng.uniform(20, 40) * (1 - 0.045 * i)
        wall, top = np.array(walls[i % 5]), ground - tall
        peak = top - rng.uniform(6, 12)
        sheet.box(x + wide * 0.68, peak, 2.2, top - peak + 1, (98, 66, 70))
        sheet.box(x, top, wide, tall, tuple(wall))
        for row in np.arange(top + 1.5, ground, 1.6):  # courses of brick
            sheet.line([(x, row), (x + wide, row)], (*(wall * 0.86).astype(int), 150), 0.25)
        roof = [(x - 1, top), (x + wide / 2, peak), (x + wide + 1, top)]
        sheet.polygon(roof, (112, 62, 62) if i % 2 else (78, 66, 86))
        for wy in np.arange(top + 4, ground - 6, 7):
            for wx in np.arange(x + 2.5, x + wide - 4, 4.6):
                lit = (255, 224, 138) if rng.random() < 0.55 else (64, 62, 88)
                sheet.box(wx - 0.4, wy - 0.4, 3.1, 4.5, tuple((wall * 0.62).astype(int)))
                sheet.box(wx, wy, 2.3, 3.7, lit)
                sheet.line([(wx + 1.15, wy), (wx + 1.15, wy + 3.7)], (70, 54, 58), 0.3)
        x += wide
    sheet.box(0, ground - 2.5, x + 8, 2.5, (74, 66, 78))


def _lighthouse(sheet, x, ground):
    sheet.polygon([(x - 4, 43), (-10, 8), (-10, 30)], (255, 240, 190, 46))
    sheet.polygon([(x + 4, 43), (330, 32), (330, 56)], (255, 240, 190, 60))
    rock = [(-26, ground), (-19, 104), (-10, 100), (12, 99), (20, 105), (36, 103), (36, ground)]
    sheet.polygon([(x + left, y) for left, y in rock], (62, 56, 74))
    sheet.polygon([(x - 10, 100), (x + 12, 99), (x + 4, ground), (x - 8, ground)], (84, 74, 92))
    for i in range(6):  # tapering bands
        top, bottom = 48 + 9 * i, 57 + 9 * i
        a, b = 4.6 + 0.055 * (top - 48), 4.6 + 0.055 * (bottom - 48)
        band = np.array((190, 48, 46) if i % 2 else (246, 236, 222))
        sheet.polygon([(x - a, top), (x + a, top), (x + b, bottom), (x - b, bottom)], tuple(band))
        for part in range(5):  # rounds off into the shade
            sheet.polygon(
                [(x - a + a * part / 3, top), (x - a, top), (x - b, bottom), (x - b + b * part / 3, bottom)],
                (40, 24, 60, 22),
            )
    for y in (62, 80, 94):
        sheet.box(x - 0.9, y, 1.8, 3.2, (52, 44, 62))
    sheet.box(x - 7, 46, 14, 1.6, (48, 42, 58))
    for post in np.arange(-6.5, 7, 1.6):
        sheet.line([(x + post, 46), (x + post, 42.5)], (48, 42, 58), 0.35)
    sheet.line([(x - 6.6, 42.6), (x + 6.6, 42.6)], (48, 42, 58), 0.45)
    sheet.box(x - 3.4, 38.5, 6.8, 7.6, (255, 244, 196))
    for post in (-3.4, -1.1, 1.1, 3.4):
        sheet.line([(x + post, 38.5), (x + post, 46)], (60, 50, 64), 0.4)
    sheet.polygon([(x - 4.4, 38.6), *curve((x - 4.4, 38.6), (x, 29), (x + 4.4, 38.6))], (176, 44, 44))
    sheet.line([(x, 34), (x, 29.5)], (48, 42, 58), 0.5)


def _boat(sheet, x, y, size, sail, hull):
    def at(*points):
        return [(x + size * px, y + size * py) for px, py in points]

    for depth in np.arange(4, 40, 0.8):  # its mirror image, broken up by the waves
        sway = 2.2 * np.sin(depth * 1.1) * depth / 40
        color = tuple(int(c * 0.45) for c in hull) if depth < 13 else tuple(int(c * 0.72) for c in sail)
        half = 20 - 0.5 * depth if depth < 13 else 15 - 0.36 * depth
        sheet.line(at((-half + sway, depth), (half + sway, depth)), (*color, int(150 - 3.3 * depth)), 0.6 * size)
    sheet.line(at((0, 0), (0, -52)), (84, 58, 48), 1.1 * size)
    main = [*curve(*at((1.2, -50), (18, -26), (20, -6))), *at((1.2, -5))]
    jib = [*curve(*at((-1.2, -47), (-7, -22), (-18, -4))), *at((-1.2, -5))]
    sheet.polygon(main, sail)
    sheet.polygon(jib, tuple(int(c * 0.88) for c in sail))
    for seam in range(1, 6):
        left, right = (1.2, -50 + 7.6 * seam), (2.5 + 3.3 * seam, -47 + 7.2 * seam)
        sheet.line(at(left, right), (120, 104, 104, 150), 0.3 * size)
    sheet.line(at((-20, 0), (0, -52), (21, 0)), (52, 44, 58), 0.3 * size)
    sheet.polygon([*curve(*at((-22, -2), (-15, 9), (0, 8))), *curve(*at((0, 8), (18, 9), (23, -3)))], hull)
    sheet.line([*at((-22, -2)), *at((23, -3))], (248, 232, 206), 1.2 * size)
    sheet.line([*curve(*at((-19, 2.2), (0, 5), (20.5, 1.6)))], (248, 232, 206, 170), 0.5 * size)
    sheet.polygon(at((0, -52), (8, -54.5), (0, -57)), (204, 56, 48))


def _quay(sheet, rng, height):
    for row, y in enumerate(np.arange(166, height, 6.8)):
        for x in np.arange(-14 + 7 * (row % 2), 111, 14):
            tone = rng.uniform(0.75, 1.12)
            sheet.box(x, y, min(13.3, 112 - x), 6.2, tuple(int(c * tone) for c in (124, 108, 104)))
            for _ in range(26):
                spot = (x + rng.uniform(0.5, min(12.5, 111 - x)), y + rng.uniform(0.5, 5.5))
                speck = (60, 50, 56, 90) if rng.random() < 0.6 else (210, 190, 170, 80)
                sheet.disc(*spot, rng.uniform(0.15, 0.5), speck)
    sheet.box(0, 162, 114, 4.6, (168, 150, 138))
    sheet.line([(0, 162), (114, 162)], (226, 204, 178), 0.7)
    for x in (88, 104):
        sheet.box(x, 152, 5, 10.5, (46, 44, 56))
        sheet.box(x - 1.2, 150.5, 7.4, 3, (66, 62, 74))
    sheet.line(curve((6, 158), (40, 176), (90, 155)), (206, 178, 128), 1.3)
    sheet.line(curve((106, 156), (118, 172), (131, 157)), (206, 178, 128), 0.9)
    for x in (14, 72):
        sheet.box(x, 138, 2.4, 24, (72, 52, 46))
    sheet.box(6, 121, 76, 25, (60, 44, 42))
    sheet.box(7.2, 122.2, 73.6, 22.6, (24, 62, 84))
    sheet.text(44, 130, "HARBOUR", 13, (250, 238, 208), "mm")
    sheet.text(44, 140, "pier 7 - boats at dawn", 6.2, (236, 196, 120), "mm")


def poster(width=320, height=200, fine=8):
    """A printer's test sheet: letters down to the smallest, fans, rings, guilloche, halftone, swatches, ramps."""
    rng = np.random.default_rng(3)
    shape = (height * fine, width * fine)
    paper = gradient(shape, [(0, (248, 242, 228)), (1, (236, 226, 206))], across=0.3)
    sheet = Sheet(images.to_uint8(paper + 3 * noise(rng, shape, (6, 9), 2)[..., None]), fine)
    ink, red, blue, gold = (34, 32, 44), (188, 52, 44), (32, 88, 128), (206, 156, 52)

    sheet.box(0, 0, width, 40, blue)
    for i in range(34):  # guilloche in the head
        wave = np.arange(0, width + 1, 1.0)
        y = 20 + 17 * np.sin(wave / 23 + i * 0.19) * np.cos(wave / 71 - i * 0.09)
        sheet.line(list(zip(wave, y, strict=True)), (190, 220, 236, 70), 0.35)
    sheet.text(12, 21, "Fine Print", 27, (252, 244, 226), "lm")
    sheet.text(308, 14, "TEST SHEET No. 42", 8.5, (244, 208, 120), "rm")
    sheet.text(308, 27, "resolution & tone", 8.5, (222, 234, 240), "rm")

    lines = [(13.5, "Sphinx of black quartz,"), (11, "judge my vow: 0123456789")]
    lines += [(9, "pack my box with five dozen jugs"), (7.5, "of liquid glass: sharp, sharper, sharpest")]
    lines += [(size, "the quick brown fox jumps over the lazy dog") for size in (6.5, 5.5)]
    y = 46.0
    for size, words in lines:
        sheet.text(12, y, words, size, ink)
        y += size * 1.2 + 1.5

    _fan(sheet, 207, 79, 29, ink, rays=40)
    for radius in np.arange(29, 1, -2.2):
        sheet.disc(277, 79, radius, outline=red if round(radius * 10) % 3 else ink, width=0.25 + radius / 36)
    _halftone(sheet, 12, 124, 92, 36, ink)
    rose = np.linspace(0, 2 * np.pi, 1500)
    for k, color in ((7, red), (11, blue), (17, gold)):
        radius = 21 + 7 * np.sin(k * rose)
        points = zip(144 + radius * np.cos(rose), 149 + radius * np.sin(rose), strict=True)
        sheet.line(list(points), (*color, 220), 0.6)
    for i, color in enumerate((red, gold, (88, 140, 84), blue, (120, 74, 132), ink)):
        sheet.box(182 + 21 * i, 122, 18, 18, color)
        for j in range(6):  # each tone, lightened in steps
            tint = tuple(int(c + (250 - c) * j / 5.5) for c in color)
            sheet.box(182 + 21 * i + 3 * j, 142, 3, 9, tint)
    for i, pitch in enumerate((0.9, 1.2, 1.6, 2.2, 3.0)):  # hatching, ever coarser
        left, top, side = 182 + 25.4 * i, 156, 22.4
        for offset in np.arange(0, 2 * side, pitch * 1.6):
            a, b = min(offset, side), max(0.0, offset - side)
            sheet.line([(left + a, top + b), (left + b, top + a)], ink, pitch * 0.45)
    ramp = np.linspace(0, 1, 148)
    for i, t in enumerate(ramp):
        sheet.box(12 + i, 184, 1.1, 8, tuple(int(c * (1 - t) + 250 * t) for c in ink))
        sheet.box(162 + i * 0.98, 184, 1.1, 8, tuple(int(a * (1 - t) + b * t) for a, b in zip(red, blue, strict=True)))
    sheet.text(12, 164, "halftone 6 to 68 %", 6, ink)
    return sheet.finished()


def _fan(sheet, x, y, radius, color, rays):
    for i in range(rays):
        a, b = 2 * np.pi * i / rays, 2 * np.pi * (i + 0.5) / rays
        rim = [(x + radius * np.cos(t), y + radius * np.sin(t)) for t in np.linspace(a, b, 4)]
        sheet.polygon([(x, y), *rim], color)


def _halftone(sheet, x, y, width, height, color, pitch=4.0):
    """Dots whose area grows from left to right, every other row moved by half a dot."""
    for row in range(int(height / pitch)):
        for column in range(int(width / pitch) - row % 2):
            left = (column + 0.5 + 0.5 * (row % 2)) * pitch
            tone = 0.06 + 0.62 * left / width
            sheet.disc(x + left, y + (row + 0.5) * pitch, pitch * np.sqrt(tone / np.pi), color)


def scene(rng, size, fine=2):
    """A random image to train on: clouds of color, then shapes, patterns, curves and words at many scales."""
    shape = (size * fine, size * fine)
    stops = [(0, _color(rng)), (rng.uniform(0.3, 0.7), _color(rng)), (1, _color(rng))]
    ground = gradient(shape, stops, across=rng.uniform(0, 2))
    grain = np.exp(rng.uniform(np.log(4), np.log(size), 2)) * fine
    ground += rng.uniform(5, 60) * noise(rng, shape, grain)[..., None] * rng.uniform(0.3, 1, 3)
    sheet = Sheet(images.to_uint8(ground), fine)
    things = (_blob, _shape, _stripes, _strokes, _words, _words, _rays)
    for _ in range(26):
        thing = things[rng.integers(len(things))]
        extent = np.exp(rng.uniform(np.log(size / 30), np.log(size / 3)))  # as many small things as large ones
        thing(sheet, rng, *rng.uniform(0, size, 2), extent)
    return sheet.finished()


def _color(rng):
    """Any color, but muted ones more often, as in photographs."""
    gray = rng.uniform(10, 245)
    return tuple(int(c) for c in np.clip(gray + rng.normal(0, 45, 3), 0, 255))


def _around(rng, x, y, extent, corners):
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
    radii = extent * rng.uniform(0.5, 1, corners)
    return [(x + r * np.cos(a), y + r * np.sin(a)) for a, r in zip(angles, radii, strict=True)]


def _turned(x, y, angle, points):
    cos, sin = np.cos(angle), np.sin(angle)
    return [(x + cos * px - sin * py, y + sin * px + cos * py) for px, py in points]


def _blob(sheet, rng, x, y, extent):
    corners = _around(rng, x, y, extent, 7)
    ends = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)]
    outline = [curve(a, b, c, steps=12) for a, b, c in zip(ends[-1:] + ends, corners, ends, strict=False)]
    sheet.polygon([point for part in outline for point in part], (*_color(rng), int(rng.integers(120, 256))))


def _shape(sheet, rng, x, y, extent):
    points = _around(rng, x, y, extent, rng.integers(3, 7))
    sheet.polygon(points, (*_color(rng), int(rng.integers(150, 256))))


def _stripes(sheet, rng, x, y, extent):
    pitch, angle, color = rng.uniform(1.5, 9), rng.uniform(0, np.pi), _color(rng)
    for offset in np.arange(-extent, extent, pitch):
        half = np.sqrt(extent**2 - offset**2)
        sheet.line(_turned(x, y, angle, [(offset, -half), (offset, half)]), color, pitch * 0.45)


def _strokes(sheet, rng, x, y, extent):
    """Grass, fur, hair: many thin curves that lean one way."""
    lean, color = rng.uniform(0, 2 * np.pi), np.array(_color(rng))
    for _ in range(70):
        angle = lean + rng.normal(0, 0.25)
        root = (x + rng.normal(0, extent / 2), y + rng.normal(0, extent / 2))
        bend, tip = _turned(*root, angle, [(extent * 0.3, rng.normal(0, extent * 0.12)), (extent * 0.6, 0)])
        tone = images.to_uint8(color + rng.normal(0, 22)).tolist()
        sheet.line(curve(root, bend, tip, steps=8), tuple(tone), rng.uniform(0.5, 1.6))


def _words(sheet, rng, x, y, extent):
    size, color = np.clip(extent / 3, 6, 60), _color(rng)
    for line in range(rng.integers(1, 5)):
        words = " ".join(rng.choice(WORDS, rng.integers(1, 6)))
        sheet.text(x - extent, y + 1.25 * size * line, words, size, color)


def _rays(sheet, rng, x, y, extent):
    _fan(sheet, x, y, extent, _color(rng), rays=rng.integers(6, 40))


COMMAND = Command("draw", "Draws the demo images, or random scenes to train on.", define, run)

if __name__ == "__main__":
    sys.exit(COMMAND.main(sys.argv[1:], "demo/draw.py"))
