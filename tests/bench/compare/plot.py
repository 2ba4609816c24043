"""Plots as svg, small enough to be read as text: bars and lines, in colours that do on light and dark ground."""

import math
from html import escape

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.head { font-weight: 600; }
.faint { fill: #57606a; }
.rule { stroke: #d0d7de; stroke-width: 1; }
.bar { fill: #8c959f; }
.limit { fill: #d4a72c; }
.ours { fill: #0969da; }
.line0, .line1 { fill: none; stroke-width: 2; }
.line0 { stroke: #0969da; } .dot0 { fill: #0969da; }
.line1 { stroke: #cf222e; } .dot1 { fill: #cf222e; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .faint { fill: #9198a1; }
  .rule { stroke: #3d444d; }
  .bar { fill: #6e7681; }
  .ours, .dot0 { fill: #4493f8; } .line0 { stroke: #4493f8; }
  .dot1 { fill: #f85149; } .line1 { stroke: #f85149; }
}
"""

BAR = 18
PANEL = 420
LABEL = 110
ROW = 250


def bars(title, panels):
    """A panel for each (heading, [(name, value, text)])."""
    parts, tops = [], [34, 34]
    for place, (heading, values) in enumerate(panels):
        left = place % 2 * PANEL
        top = tops[place % 2]
        parts.append(text(left + 8, top + 14, heading, "head"))
        most = max([value for _, value, _ in values if value] or [1])
        for row, (name, value, shown) in enumerate(values):
            y = top + 24 + row * BAR
            width = (PANEL - LABEL - 90) * (value or 0) / most
            kind = {"limit": "limit", "fcgi": "ours"}.get(name, "bar")
            parts.append(text(left + LABEL, y + 12, name, anchor="end"))
            parts.append(f'<rect class="{kind}" x="{left + LABEL + 6}" y="{y + 2}" width="{width:.1f}" height="{BAR - 5}"/>')
            parts.append(text(left + LABEL + 12 + width, y + 12, shown, "faint"))
        tops[place % 2] = top + 24 + len(values) * BAR + 16
        if place % 2:
            tops = [max(tops)] * 2
    return document(title, 2 * PANEL, max(tops), parts)


def lines(title, panels):
    """A panel for each (heading, name of x, [(name of a line, [(x, y)])]); both axes by powers."""
    parts = []
    for place, (heading, x_name, drawn) in enumerate(panels):
        left, top = place % 2 * PANEL, 34 + place // 2 * ROW
        parts += panel(left, top, heading, x_name, drawn)
    return document(title, 2 * PANEL, 34 + math.ceil(len(panels) / 2) * ROW, parts)


def panel(left, top, heading, x_name, drawn):
    points = [point for _, line in drawn for point in line if point[1]]
    parts = [text(left + 8, top + 14, heading, "head")]
    if not points:
        return parts
    x_at = scale([x for x, _ in points], left + 60, left + PANEL - 20)
    y_at = scale([y for _, y in points] + [min(y for _, y in points) / 2], top + ROW - 56, top + 48)
    for y in ticks([y for _, y in points]):
        parts.append(f'<line class="rule" x1="{left + 60}" x2="{left + PANEL - 20}" y1="{y_at(y):.1f}" y2="{y_at(y):.1f}"/>')
        parts.append(text(left + 54, y_at(y) + 4, short(y), "faint", "end"))
    for x in sorted({x for x, _ in points}):
        parts.append(text(x_at(x), top + ROW - 38, binary(x) if x_name == "bytes" else short(x), "faint", "middle"))
    parts.append(text(left + PANEL - 20, top + ROW - 22, x_name, "faint", "end"))
    for number, (name, line) in enumerate(drawn):
        line = [(x_at(x), y_at(y)) for x, y in line if y]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        parts.append(f'<polyline class="line{number}" points="{path}"/>')
        parts += [f'<circle class="dot{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in line]
        parts.append(f'<circle class="dot{number}" cx="{left + 66 + number * 150}" cy="{top + 28}" r="4"/>')
        parts.append(text(left + 74 + number * 150, top + 32, name))
    return parts


def scale(values, low, high):
    """By powers; one value alone stands in the middle."""
    least, most = math.log(min(values)), math.log(max(values))
    width = most - least
    return lambda value: (low + high) / 2 if width == 0 else low + (high - low) * (math.log(value) - least) / width


def ticks(values):
    """Powers of ten, and with few of them their halves and fifths, within what is drawn."""
    least, most = min(values) / 2, max(values)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    marks = [(1, 2, 5), (1,)][most / least > 300]
    return [mark * 10.0 ** power for power in powers for mark in marks if least <= mark * 10.0 ** power <= most]


def short(value):
    for unit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{sign}"
    return f"{value:.3g}"


def binary(length):
    """A length in bytes, as people say it."""
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if length >= 1 << shift:
            return f"{length >> shift} {unit}"
    return str(length)


def text(x, y, words, kind="", anchor=""):
    kind = f' class="{kind}"' if kind else ""
    anchor = f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind}{anchor}>{escape(words)}</text>'


def document(title, width, height, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}">'
    lines = [head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", text(8, 20, title, "head"), *parts, "</svg>"]
    return "\n".join(lines) + "\n"
