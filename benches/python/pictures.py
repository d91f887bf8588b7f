"""Draws the results as SVG, readable on a light page and on a dark one, and without relying on colour alone.

matplotlib draws the light form; a style sheet inside the picture exchanges ink, lines and card where the reader's
system is dark. Text stays text. Every bar and dot carries its number or a shape of its own.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import NullLocator

from vendors import CLIENTS, VENDORS

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Light, dark. The two of a pair are exchanged as a whole, so each must be used for one purpose only.
CARD, INK, QUIET, LINE = ("#ffffff", "#0d1117"), ("#1f2328", "#e6edf3"), ("#59636e", "#9198a1"), ("#d1d9e0", "#30363d")
# Okabe and Ito's blue and orange stay apart in every common colour blindness, and in grey.
OURS, OTHER, HOLE = "#2a7fb8", "#9aa4ae", "#d98a00"
_OURS = {name for name, client in CLIENTS.items() if client.ours}
_REFERENCES = {vendor.reference for vendor in VENDORS.values()}
_DARK = "".join(
    f'[style*="{prop}: {light}"]{{{prop}:{dark} !important}}'
    for light, dark in (CARD, INK, QUIET, LINE)
    for prop in ("fill", "stroke")
)
STYLE = f"<style>@media (prefers-color-scheme: dark){{{_DARK}}}</style>"


def draw(results: dict[str, Any], folder: Path) -> None:
    """Draw every picture whose measures are there."""
    taken = {name: entry["result"] for name, entry in results["measures"].items()}
    mpl.rcParams.update(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "sluiceway",
            "font.family": "sans-serif",
            "font.size": 10,
            "text.color": INK[0],
            "axes.labelcolor": QUIET[0],
            "axes.edgecolor": LINE[0],
            "axes.titlecolor": INK[0],
            "axes.titlesize": 11,
            "axes.titlelocation": "left",
            "axes.titlepad": 12,
            "xtick.color": QUIET[0],
            "ytick.color": INK[0],
            "figure.facecolor": CARD[0],
            "axes.facecolor": "none",
            "axes.axisbelow": True,
        }
    )
    if {"track_idle", "end_to_end"} <= taken.keys():
        _save(_overview(taken["track_idle"], taken["end_to_end"]), folder / "overview.svg")
    if "latency" in taken:
        _save(_latency(taken["latency"]), folder / "latency.svg")
    if "memory" in taken:
        _save(_memory(taken["memory"]), folder / "memory.svg")


def _overview(idle: dict[str, Any], ends: dict[str, Any]) -> Figure:
    cost = {name: found["cpu_ns"]["rig"]["best"] / 1000 for name, found in idle["clients"].items()}
    rate = {name: kinds["rig"]["best"] for name, kinds in ends["clients"].items()}
    places = _places([name for name in cost | rate if name in CLIENTS or name in _REFERENCES])
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 0.3 * max(places.values()) + 1.5), sharey=True)
    shown = {name: value for name, value in cost.items() if name in places}
    _bars(left, places, shown, [f"{value:.2f} us" if value < 10 else f"{value:.0f} us" for value in shown.values()])
    left.set_xscale("log")
    left.set_xlim(0.1, max(shown.values()) * 5)
    left.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    left.xaxis.set_minor_locator(NullLocator())
    left.set_title("What a call costs its caller")
    left.set_xlabel("CPU microseconds for a 694-byte event, log scale: less is better")
    _bars(right, places, rate, [f"{value:,.0f} /s" for value in rate.values()])
    right.set_xlim(0, max(rate.values()) * 1.32)
    right.set_title("First call to last acknowledgement")
    right.set_xlabel("events per second, one process: more is better")
    right.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:,.0f}k")
    return figure


def _places(names: list[str]) -> dict[str, float]:
    """Return where each client stands: its vendor's stand together, with a gap between vendors."""
    places: dict[str, float] = {}
    at = 0.0
    for vendor in VENDORS.values():
        group = [name for name in (vendor.ours, vendor.second_call, vendor.peer, vendor.reference) if name in names]
        places |= {name: at + place for place, name in enumerate(group)}
        at += len(group) + 0.6
    return places | {name: at + place for place, name in enumerate(name for name in names if name not in places)}


def _bars(axes: Axes, places: dict[str, float], values: dict[str, float], labels: list[str]) -> None:
    colours = [OURS if name in _OURS else OTHER for name in values]
    bars = axes.barh([places[name] for name in values], list(values.values()), color=colours, height=0.66)
    axes.bar_label(bars, labels, padding=5, color=INK[0], size=9)
    _rows(axes, places)


def _rows(axes: Axes, places: dict[str, float]) -> None:
    axes.set_yticks(list(places.values()), list(places))
    axes.set_ylim(max(places.values()) + 0.7, -0.7)
    axes.tick_params(axis="both", length=0)
    axes.grid(axis="x", color=LINE[0], linewidth=0.8)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)
    axes.xaxis.label.set_fontsize(9)


def _latency(result: dict[str, Any]) -> Figure:
    places = _places(list(result["clients"]))
    figure, axes = plt.subplots(figsize=(8.4, 0.5 * max(places.values()) + 1.5))
    for mode, offset, colour, marks in (("ok", -0.14, OURS, "o"), ("blackhole", 0.14, HOLE, "D")):
        for name, row in places.items():
            found = result["clients"][name].get(mode)
            if found is None:
                continue
            points = [found[key]["median"] / 1000 for key in ("p50", "p99", "p99.9")]
            heights = [row + offset] * 3
            axes.plot([points[0], points[-1]], heights[:2], color=colour, linewidth=1.6, alpha=0.55)
            for point, size in zip(points, (4.0, 6.0, 8.5), strict=True):
                axes.plot([point], heights[:1], marks, color=colour, markersize=size, markeredgewidth=0)
            axes.annotate(
                f"{points[-1]:,.1f}",
                (points[-1], heights[0]),
                (8, -3.5),
                textcoords="offset points",
                color=INK[0],
                size=8.5,
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.xaxis.set_minor_locator(NullLocator())
    low, high = axes.get_xlim()
    axes.set_xlim(low, high * 2.2)
    _rows(axes, places)
    axes.set_title("A call at 2,000 calls a second")
    axes.set_xlabel("microseconds, log scale; each line is p50, p99 and p99.9 (the number), medians over the rounds")
    for label, colour, mark in (("healthy server", OURS, "o"), ("server is a black hole", HOLE, "D")):
        axes.plot([], [], mark, color=colour, markersize=7, markeredgewidth=0, label=label)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=2,
        frameon=False,
        fontsize=9,
        handletextpad=0.2,
        borderpad=0.2,
    )
    return figure


def _memory(result: dict[str, Any]) -> Figure:
    found = result["clients"]
    figure, axes = plt.subplots(figsize=(8.4, 0.62 * len(found) + 1.5))
    for key, offset, light, hatch, label in (
        ("full", -0.18, OTHER, "", "queue full"),
        ("drained", 0.18, OURS, "////", "drained"),
    ):
        over = [(entry[key] - entry["baseline"]) / 2**20 for entry in found.values()]
        positions = [row + offset for row in range(len(found))]
        bars = axes.barh(
            positions, over, height=0.34, color=light, hatch=hatch, edgecolor=CARD[0], linewidth=0, label=label
        )
        axes.bar_label(bars, [f"{value:+.1f} MiB" for value in over], padding=5, color=INK[0], size=8.5)
    _rows(axes, {name: float(row) for row, name in enumerate(found)})
    axes.set_xlim(0, axes.get_xlim()[1] * 1.12)
    axes.set_title("Resident memory over the baseline")
    axes.set_xlabel(
        f"MiB after a burst of {result['burst_bytes'] >> 20} MiB that nobody took, and after delivery: less is better"
    )
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=9)
    return figure


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    head, opening, rest = text.getvalue().partition("<defs>")
    path.write_text(head + STYLE + "\n " + opening + rest)
