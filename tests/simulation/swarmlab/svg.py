"""Line charts as SVG, drawn by hand: one curve for each policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 150, 28, 36
COLOURS = ("#1b6ca8", "#c0392b", "#27803b", "#8e44ad", "#b9770e", "#555555", "#16808d", "#a03070")
TICKS = 5


def chart(title: str, curves: Mapping[str, tuple[int, Sequence[float]]], *, across: str = "seconds") -> str:
    """A document with the curves by name, each given as the distance of its points and their values from 0 up."""
    far = max((step * (len(values) - 1) for step, values in curves.values()), default=0) or 1
    high = max((max(values, default=0.0) for _, values in curves.values()), default=0.0) or 1.0
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(at: float, value: float) -> tuple[float, float]:
        return LEFT + plot_width * at / far, TOP + plot_height * (1 - value / high)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="18" font-size="13">{escape(title)}</text>',
    ]
    for tick in range(TICKS + 1):
        x, y = place(far * tick / TICKS, high * tick / TICKS)
        parts += [
            f'<line x1="{LEFT}" x2="{LEFT + plot_width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{high * tick / TICKS:.4g}</text>',
            f'<text x="{x:.1f}" y="{TOP + plot_height + 16}" text-anchor="middle">{far * tick / TICKS:.0f}</text>',
        ]
    parts.append(
        f'<text x="{LEFT + plot_width / 2}" y="{HEIGHT - 4}" text-anchor="middle">{escape(across)}</text>')
    for number, (name, (step, values)) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(
            "{:.1f},{:.1f}".format(*place(step * point, value)) for point, value in enumerate(values))
        y = TOP + 14 + 16 * number
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>',
            f'<line x1="{WIDTH - RIGHT + 10}" x2="{WIDTH - RIGHT + 30}" y1="{y - 4}" y2="{y - 4}" stroke="{colour}"/>',
            f'<text x="{WIDTH - RIGHT + 36}" y="{y}">{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
