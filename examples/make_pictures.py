"""Paints the condition images of the example prompts: `python examples/make_pictures.py`.

The mug and the cactus look like photos, for GLM-Image. The circle and the stripes are for the demonstration model. The
script always paints the same pictures.
"""

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from canvas import Canvas, Point, both, either, scaled
from PIL import Image, ImageDraw, ImageOps


def _round_body(position: float) -> float:
    """Returns the brightness across a glazed cylinder that is lit from the left: light, core shadow, and light
    reflected by the table.
    """
    lit = max(0.0, math.cos((position - 0.27) * math.pi * 0.95)) ** 1.3
    return 0.07 + 0.88 * lit + 0.16 * max(0.0, position - 0.84) / 0.16


def mug() -> Image.Image:
    """Paints a teal mug of coffee on a wooden table with window light from the left, at 1024x1056."""
    canvas = Canvas(1024, 1056, seed=7)
    _wall_and_table(canvas)
    shadow = either(
        canvas.polygon([(400, 850), (655, 850), (1010, 800), (1010, 740), (650, 700)]),
        canvas.ellipse((380, 800, 690, 900)),
    )
    table = canvas.polygon([(0, 660), (1024, 660), (1024, 1056), (0, 1056)])
    canvas.darken(both(canvas.soft(shadow, 24, 0.62), table))
    _mug_handle(canvas)
    _mug_body(canvas)
    _steam(canvas)
    canvas.darken(ImageOps.invert(canvas.soft(canvas.ellipse((-190, -210, 1214, 1266)), 120)).point(lambda v: v * 0.5))
    return canvas.finish(grain=0.11)


def _wall_and_table(canvas: Canvas) -> None:
    everything = canvas.polygon([(0, 0), (1024, 0), (1024, 1056), (0, 1056)])
    canvas.shade(canvas.plaster(), (150, 143, 130), (163, 155, 141), everything)
    canvas.lighten(canvas.glow((-900, -800, 1240, 1120)).point(lambda value: value * 0.75))
    pane = [(70, 60), (330, 118), (330, 430), (70, 395)]
    window = either(canvas.polygon(pane), canvas.polygon([(x + 290, y + 62) for x, y in pane]))
    canvas.lighten(canvas.soft(window, 13, 0.34))
    table = canvas.polygon([(0, 660), (1024, 660), (1024, 1056), (0, 1056)])
    canvas.shade(canvas.wood_grain(170), (86, 50, 26), (168, 110, 64), table)
    for y in (718, 806, 934):
        canvas.darken(canvas.soft(canvas.line([(0, y), (1024, y + 3)], 2.2), 0.8, 0.8))
        canvas.lighten(canvas.soft(canvas.line([(0, y + 4), (1024, y + 7)], 1.6), 1.0, 0.16))
    canvas.lighten(both(canvas.glow((-560, 480, 1000, 1200)), table).point(lambda value: value * 0.5))
    canvas.darken(canvas.soft(canvas.line([(0, 656), (1024, 656)], 16), 9, 0.55))
    canvas.lighten(canvas.soft(canvas.line([(0, 664), (1024, 664)], 2.4), 1.4, 0.4))


def _mug_body(canvas: Canvas) -> None:
    sides = canvas.polygon([(368, 470), (672, 470), (650, 838), (390, 838)])
    body = either(sides, canvas.ellipse((390, 792, 650, 884)))
    canvas.darken(canvas.soft(canvas.ellipse((396, 822, 690, 902)), 10, 0.75))
    canvas.shade(canvas.gradient(368, 672, _round_body), (8, 40, 44), (92, 176, 172), body)
    canvas.darken(both(body, canvas.soft(canvas.ellipse((360, 800, 680, 960)), 40, 0.55)))
    canvas.lighten(both(body, canvas.soft(canvas.polygon([(424, 540), (444, 540), (450, 790), (434, 790)]), 7, 0.75)))
    canvas.lighten(both(body, canvas.soft(canvas.ellipse((420, 830, 640, 900)), 26, 0.12)), (214, 150, 96))
    canvas.shade(
        canvas.gradient(368, 672, _round_body), (26, 74, 78), (188, 232, 226), canvas.ellipse((366, 418, 674, 524))
    )
    inside = canvas.ellipse((380, 428, 660, 514))
    canvas.shade(canvas.gradient(380, 660, lambda x: 0.15 + 0.75 * x), (70, 62, 52), (232, 222, 202), inside)
    coffee = both(inside, canvas.ellipse((384, 458, 656, 536)))
    canvas.shade(canvas.gradient(380, 660, lambda x: 0.9 - x), (24, 12, 6), (84, 48, 24), coffee)
    canvas.lighten(both(coffee, canvas.soft(canvas.ellipse((410, 476, 500, 492)), 5, 0.5)))
    canvas.lighten(canvas.soft(canvas.ring((369, 420, 671, 522), 2.4), 1.2, 0.55))


def _mug_handle(canvas: Canvas) -> None:
    handle = canvas.ring((596, 540, 784, 770), 40)
    canvas.darken(canvas.soft(canvas.ring((604, 552, 796, 784), 34), 8, 0.35))
    canvas.shade(canvas.gradient(600, 790, lambda x: 0.62 - 0.42 * x), (8, 40, 44), (92, 176, 172), handle)
    canvas.lighten(both(handle, canvas.soft(canvas.ring((602, 545, 778, 764), 7), 4, 0.42)))
    canvas.darken(both(handle, canvas.soft(canvas.ring((622, 566, 762, 748), 9), 6, 0.6)))


def _steam(canvas: Canvas) -> None:
    for x, sway, top in ((470, 26, 190), (532, -32, 130), (590, 22, 230)):
        wisp = [(x + sway * math.sin((470 - y) / 52), y) for y in range(470, top, -6)]
        canvas.lighten(canvas.soft(canvas.line(wisp, 20), 17, 0.3), (255, 252, 246))


def cactus() -> Image.Image:
    """Paints a round cactus in a terracotta pot on a white sill before a blurred garden, at 900x675, an aspect ratio
    of cameras.
    """
    canvas = Canvas(900, 675, seed=11)
    _garden_and_sill(canvas)
    canvas.darken(canvas.soft(canvas.polygon([(370, 612), (560, 612), (860, 590), (860, 552), (560, 556)]), 16, 0.5))
    canvas.darken(canvas.soft(canvas.ellipse((372, 584, 572, 624)), 9, 0.65))
    _pot(canvas)
    _cactus_ball(canvas)
    canvas.darken(ImageOps.invert(canvas.soft(canvas.ellipse((-150, -150, 1050, 825)), 100)).point(lambda v: v * 0.45))
    return canvas.finish(grain=0.1)


def _garden_and_sill(canvas: Canvas) -> None:
    rng = random.Random(3)
    canvas.fill((126, 146, 112))
    for _ in range(70):
        x, y, radius = rng.uniform(-60, 960), rng.uniform(-60, 480), rng.uniform(25, 85)
        leaf = canvas.ellipse((x - radius, y - radius, x + radius, y + radius))
        tone = rng.uniform(0.35, 1.0)
        canvas.fill((round(150 * tone), round(176 * tone), round(96 * tone)), canvas.soft(leaf, 22, 0.5))
    canvas.lighten(canvas.glow((-600, -640, 960, 640)).point(lambda value: value * 0.9))
    sill = canvas.polygon([(0, 500), (900, 500), (900, 675), (0, 675)])
    canvas.shade(canvas.plaster(), (204, 200, 192), (222, 219, 212), sill)
    canvas.lighten(both(sill, canvas.glow((-400, 360, 800, 820))).point(lambda value: value * 0.7))
    canvas.darken(both(sill, canvas.soft(canvas.line([(0, 500), (900, 500)], 8), 4, 0.4)))
    canvas.darken(canvas.soft(canvas.polygon([(0, 662), (900, 662), (900, 675), (0, 675)]), 5, 0.4))


def _pot(canvas: Canvas) -> None:
    dark, light = (70, 28, 14), (214, 122, 78)
    round_body = canvas.gradient(334, 566, _round_body)
    sides = canvas.polygon([(352, 440), (548, 440), (524, 592), (376, 592)])
    body = either(sides, canvas.ellipse((376, 576, 524, 610)))
    canvas.shade(canvas.gradient(348, 552, _round_body), dark, light, body)
    canvas.darken(both(body, canvas.soft(canvas.polygon([(340, 436), (560, 436), (560, 462), (340, 468)]), 8, 0.7)))
    collar = canvas.polygon([(334, 396), (566, 396), (560, 448), (340, 448)])
    canvas.shade(round_body, dark, (226, 136, 90), either(collar, canvas.ellipse((340, 434, 560, 462))))
    canvas.shade(round_body, (104, 48, 26), (236, 158, 112), canvas.ellipse((334, 378, 566, 416)))
    canvas.fill((44, 30, 22), canvas.ellipse((346, 384, 554, 412)))


def _cactus_ball(canvas: Canvas) -> None:
    ball = canvas.ellipse((340, 168, 560, 404))
    canvas.shade(canvas.gradient(340, 560, _round_body), (12, 38, 22), (112, 160, 84), ball)
    canvas.lighten(both(ball, canvas.glow((320, 120, 520, 360))).point(lambda value: value * 0.6))
    canvas.darken(both(ball, canvas.soft(canvas.ellipse((330, 330, 570, 440)), 22, 0.65)))
    roots: list[Point] = []
    for rib in range(-5, 6):
        curve = [_on_ball(rib / 5.6, angle / 24) for angle in range(1, 24)]
        canvas.darken(both(ball, canvas.soft(canvas.line(curve, 6), 4, 0.5)))
        crest = [_on_ball((rib + 0.5) / 5.6, angle / 24) for angle in range(2, 23)]
        canvas.lighten(both(ball, canvas.soft(canvas.line(crest, 5), 4, 0.13)))
        roots += crest[::2]
    canvas.lighten(canvas.soft(_spines(canvas, roots, random.Random(5)), 0.5, 0.8))
    for petal in range(9):
        angle = petal / 9 * 2 * math.pi
        tip = (450 + 30 * math.cos(angle), 170 + 17 * math.sin(angle))
        petal_mask = canvas.soft(canvas.line([(450, 174), tip], 12), 1.5)
        canvas.fill((206 + petal * 4, 74 + petal * 6, 112 + petal * 5), petal_mask)
    canvas.fill((246, 208, 92), canvas.soft(canvas.ellipse((441, 165, 459, 177)), 1.2))


def _on_ball(longitude: float, latitude: float) -> Point:
    """Returns a point on the ball's front. Both arguments run from one edge to the other: -1..1 and 0..1."""
    height = math.cos(latitude * math.pi)
    return 450 + 110 * math.sin(longitude * math.pi / 2) * math.sqrt(1 - height**2), 286 - 118 * height


def _spines(canvas: Canvas, roots: Sequence[Point], rng: random.Random) -> Image.Image:
    def draw(pen: ImageDraw.ImageDraw) -> None:
        for x, y in roots:
            for _ in range(4):
                angle, length = rng.uniform(0, 2 * math.pi), rng.uniform(5, 11)
                pen.line(scaled((x, y, x + length * math.cos(angle), y + length * math.sin(angle))), fill=255, width=2)

    return canvas.drawn(draw)


def circle() -> Image.Image:
    """Paints a red circle on yellow, at 512x512."""
    return _flat("#fad81e", lambda pen: pen.ellipse((320, 320, 704, 704), "#dc1e1e"))


def stripes() -> Image.Image:
    """Paints a black star on white with blue stripes, at 512x512."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        for left in range(0, 1024, 256):
            pen.rectangle((left, 0, left + 64, 1024), "#1e40dc")
        turns = [(corner * math.pi / 5 - math.pi / 2, 84 if corner % 2 else 200) for corner in range(10)]
        outline = [(512 + radius * math.cos(turn), 512 + radius * math.sin(turn)) for turn, radius in turns]
        pen.polygon(outline, "#141416")

    return _flat("#f8f8f6", draw)


def _flat(background: str, draw: Callable[[ImageDraw.ImageDraw], None]) -> Image.Image:
    """Draws at twice the size for smooth edges, and returns the picture at 512x512."""
    canvas = Image.new("RGB", (1024, 1024), background)
    draw(ImageDraw.Draw(canvas))
    return canvas.resize((512, 512), Image.Resampling.BOX)


if __name__ == "__main__":
    for paint in (mug, cactus):
        paint().save(Path(__file__).with_name(f"{paint.__name__}.jpg"), quality=90)
    for paint in (circle, stripes):
        paint().save(Path(__file__).with_name(f"{paint.__name__}.png"), optimize=True)
