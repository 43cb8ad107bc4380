"""A bar chart as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WIDTH, _LEFT, _RIGHT, _ROW, _TOP, _BAR = 760, 230, 60, 30, 40, 18


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, with the spread of its value."""

    name: str
    value: float
    low: float
    high: float


def draw(title: str, bars: Sequence[Bar]) -> str:
    """Return the chart, readable on a light and on a dark page."""
    height = _TOP + _ROW * len(bars) + 10
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" '
        'font-family="sans-serif" font-size="13" fill="#888">'
    )
    text = escape(title)
    heading = f'<title>{text}</title>\n<text x="10" y="20" font-size="15">{text}</text>'
    return "\n".join([head, heading, *_bars(bars), "</svg>\n"])


def _bars(bars: Sequence[Bar]) -> Iterator[str]:
    scale = (_WIDTH - _LEFT - _RIGHT) / max((one.high for one in bars), default=1.0)
    for number, bar in enumerate(bars):
        y = _TOP + _ROW * number
        middle, low, high = y + _BAR / 2, _LEFT + bar.low * scale, _LEFT + bar.high * scale
        yield f'<text x="{_LEFT - 10}" y="{y + 14}" text-anchor="end">{escape(bar.name)}</text>'
        yield f'<rect x="{_LEFT}" y="{y}" width="{bar.value * scale:.1f}" height="{_BAR}" fill="#4c78a8"/>'
        yield f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="#e45756" stroke-width="2"/>'
        yield f'<text x="{high + 8:.1f}" y="{y + 14}">{bar.value:.0f}</text>'
