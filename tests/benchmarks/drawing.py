"""Drawing of wall time against cores as SVG text: up to four curves on logarithmic axes, with a legend."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 70, 30, 20, 90
COLOURS = ("#0072b2", "#56b4e9", "#d55e00", "#e69f00")
TICKS_S = {10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36000: "10 h"}


def draw(curves: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Return the plot.

    Args:
        curves: by name, pairs of cores and seconds. Every second curve is dashed.
    """
    pairs = [pair for curve in curves.values() for pair in curve]
    most = max(cores for cores, _ in pairs)
    low, high = min(s for _, s in pairs) / 1.5, max(s for _, s in pairs) * 1.5

    def x(cores: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(cores) / math.log(most)

    def y(seconds: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * math.log(high / seconds) / math.log(high / low)

    bottom = HEIGHT - BOTTOM
    # The background is white, since the page around it may be dark.
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        "<title>Simulated wall time against cores</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for cores in (n for n in (1, 10, 100, 1000) if n <= most):
        parts.append(
            f'<line x1="{x(cores):.1f}" x2="{x(cores):.1f}" y1="{TOP}" y2="{bottom}" stroke="#ddd"/>'
        )
        parts.append(f'<text x="{x(cores):.1f}" y="{bottom + 16}" text-anchor="middle">{cores:,}</text>')
    for seconds, label in TICKS_S.items():
        if low < seconds < high:
            parts.append(
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(seconds):.1f}" y2="{y(seconds):.1f}" stroke="#ddd"/>'
            )
            parts.append(f'<text x="{LEFT - 6}" y="{y(seconds) + 4:.1f}" text-anchor="end">{label}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH) / 2}" y="{bottom + 34}" text-anchor="middle">cores (simulated)</text>'
    )
    for number, (name, curve) in enumerate(curves.items()):
        line = " ".join(f"{x(cores):.1f},{y(seconds):.1f}" for cores, seconds in curve)
        dashes = ' stroke-dasharray="6 4"' if number % 2 else ""
        style = f'fill="none" stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="2"{dashes}'
        parts.append(f'<polyline points="{line}" {style}/>')
        left, top = LEFT + 340 * (number // 2), bottom + 55 + 18 * (number % 2)
        parts.append(f'<polyline points="{left},{top - 4} {left + 28},{top - 4}" {style}/>')
        parts.append(f'<text x="{left + 34}" y="{top}">{name}</text>')
    return "\n".join([*parts, "</svg>\n"])
