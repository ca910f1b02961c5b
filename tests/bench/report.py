"""The table in the terminal, and the plot."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from statistics import median

from peers import Peer
from results import MEASURES, TARGETS, Measure, Results

__all__ = ["histogram", "plot", "processes", "table", "verdicts"]


def table(results: Results, peers: Sequence[type[Peer]]) -> list[str]:
    """Return the medians as lines of text; a spread (largest less smallest, of the median) beside each."""
    names = [peer.name for peer in peers]
    lines = [f"{'':46}" + "".join(f"{name:>16}" for name in names)]
    for measure in MEASURES:
        cells = [_cell(results, name, measure) for name in names]
        if any(cells):
            lines.append(f"{measure.title + ', ' + measure.unit:46.46}" + "".join(f"{c:>16}" for c in cells))
    return lines


def _cell(results: Results, peer: str, measure: Measure) -> str:
    middle, spread = results.median(peer, measure.key), results.spread(peer, measure.key)
    if middle is None:
        return ""
    return f"{middle:.{measure.digits}f}" + (f" ±{spread * 50:.0f}%" if spread else "")


def processes(results: Results, peers: Sequence[type[Peer]]) -> list[str]:
    """Return what each process of each peer spent."""
    by_key = {measure.key: measure for measure in MEASURES}
    return [
        f"{by_key[key].title + ', ' + by_key[key].unit:46.46}{kind.title:>24}  {program:10}"
        f"{median(values):8.{by_key[key].digits}f}"
        for kind in peers
        for (peer, key, program), values in results.processes.items()
        if peer == kind.name
    ]


def verdicts(results: Results, peer: str) -> list[str]:
    """Return, for each target, the ratio that was reached."""
    by_key = {measure.key: measure for measure in MEASURES}
    lines = []
    for target in TARGETS:
        measure = by_key[target.key]
        ratio = results.ratio(peer, target.peer, target.key)
        if ratio is None:
            continue
        sign = "≥" if measure.is_more_better else "≤"
        is_reached = ratio >= target.bound if measure.is_more_better else ratio <= target.bound
        mark = "sí" if is_reached else "no"
        lines.append(
            f"{measure.title:46.46} / {target.peer:6} {ratio:6.2f}   meta {sign} {target.bound:<5} {mark}"
        )
    return lines


def histogram(seconds: Sequence[float]) -> list[str]:
    """Return, for each half second, how many of ``seconds`` (sorted) are in it, as bars."""
    halves = [int(2 * value) for value in seconds]
    most = max(map(halves.count, halves))
    return [
        f"  {half / 2:4.1f} s {halves.count(half):4} " + "█" * round(40 * halves.count(half) / most)
        for half in range(halves[-1] + 1)
    ]


_WIDTH, _ROW, _LABEL, _BAR = 860, 18, 330, 400
_COLOURS = {
    "tunel": "#1b6ca8",
    "tunel-comp": "#0b3c66",
    "tunel-tls": "#5aa9d6",
    "tunel-tcp": "#2c8f7b",
    "nginx": "#8a8a8a",
    "ssh": "#c77d2e",
    "directo": "#c9c9c9",
}


def plot(results: Results, peers: Sequence[type[Peer]], caption: str) -> str:
    """Return an SVG: for each measure a bar for each peer, as long as its part of the largest."""
    body: list[str] = []
    y = 70
    for measure in MEASURES:
        values = {peer.name: results.median(peer.name, measure.key) for peer in peers}
        present = {name: value for name, value in values.items() if value is not None}
        if not present:
            continue
        better = "más es mejor" if measure.is_more_better else "menos es mejor"
        body.append(f'<text x="16" y="{y}" class="measure">{escape(measure.title)} ({better})</text>')
        y += 8
        largest = max(present.values()) or 1.0
        for peer in peers:
            value = present.get(peer.name)
            if value is None:
                continue
            width = max(1.0, value / largest * _BAR)
            figure = f"{value:,.{measure.digits}f}".replace(",", " ").replace(".", ",")
            colour = _COLOURS[peer.name]
            body.append(
                f'<text x="{_LABEL - 8}" y="{y + 13}" class="peer">{escape(peer.title)}</text>'
                f'<rect x="{_LABEL}" y="{y + 3}" width="{width:.1f}" height="12" fill="{colour}"/>'
                f'<text x="{_LABEL + width + 6:.1f}" y="{y + 13}">{figure} {escape(measure.unit)}</text>'
            )
            y += _ROW
        y += 22
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img" '
        f'aria-labelledby="titulo detalle" font-family="sans-serif" font-size="12">\n'
        f'<title id="titulo">El túnel junto a nginx y ssh -R</title>\n'
        f'<desc id="detalle">{escape(caption)}</desc>\n'
        "<style>.measure{font-weight:bold}.peer{text-anchor:end}</style>\n"
        f'<rect width="{_WIDTH}" height="{y}" fill="#fff"/>\n'
        f'<text x="16" y="28" font-size="16" font-weight="bold">El túnel junto a nginx y ssh -R</text>\n'
        f'<text x="16" y="46">{escape(caption)}</text>\n' + "\n".join(body) + "\n</svg>\n"
    )
