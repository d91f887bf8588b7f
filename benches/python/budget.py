"""The performance budget: what each measure must reach, what it aims for, and what it reached.

The rows and their numbers are the project's own promises, written before there was anything to measure; a row whose
measure is missing says so, and none is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Results = dict[str, Any]
US, PEER, SELF = 1000.0, "segment", "sluiceway"


class Figure(NamedTuple):
    """What was measured, in words, and whether it is enough."""

    text: str
    must: bool
    aim: bool


class Row(NamedTuple):
    """One promise."""

    measure: str
    must: str
    aim: str
    find: Callable[[Results], Figure]


def _track_against_orjson(results: Results) -> Figure:
    ratio = results["track_idle"]["against_orjson"]["best"][SELF]
    rig, mixed = ratio["rig"], ratio["mixed"]
    text = f"{rig:.2f} / {mixed:.2f} (tiny {ratio['tiny']:.2f}, large {ratio['large']:.2f})"
    return Figure(text, rig <= 0.70 and mixed <= 0.95, rig <= 0.45 and mixed <= 0.70)


def _track_against_segment(results: Results) -> Figure:
    cpu = results["track_idle"]["cpu_ns"]
    times = {kind: cpu[PEER][kind]["best"] / cpu[SELF][kind]["best"] for kind in cpu[SELF]}
    return Figure(_by_kind(times), times["rig"] >= 50, times["rig"] >= 80)


def _end_to_end(results: Results) -> Figure:
    rates = results["end_to_end"]["rates"]
    times = {kind: rates[SELF][kind]["best"] / rates[PEER][kind]["best"] for kind in rates[SELF]}
    return Figure(_by_kind(times), times["rig"] >= 50, times["rig"] >= 75)


def _cpu(results: Results) -> Figure:
    burst, steady = results["cpu"]["burst"], results["cpu"]["steady"]
    times = {kind: burst[PEER][kind]["best"] / burst[SELF][kind]["best"] for kind in burst[SELF]}
    shares = ", ".join(f"{kind} 1/{value:.0f}" for kind, value in times.items() if kind != "rig")
    slow = steady[PEER]["best"] / steady[SELF]["best"]
    text = f"1/{times['rig']:.0f} ({shares}; steady 2,000/s at default settings 1/{slow:.1f})"
    return Figure(text, times["rig"] >= 40, times["rig"] >= 55)


def _encode(results: Results) -> Figure:
    ratio = results["encode"]["against_orjson"]["best"]
    text = f"{ratio['rig']:.2f} / {ratio['mixed']:.2f} (tiny {ratio['tiny']:.2f}, large {ratio['large']:.2f})"
    return Figure(
        text, ratio["rig"] <= 0.45 and ratio["mixed"] <= 0.70, ratio["rig"] <= 0.35 and ratio["mixed"] <= 0.55
    )


def _latency(results: Results) -> Figure:
    healthy = results["latency"]["modes"]["ok"]
    ours, theirs = healthy[SELF], healthy[PEER]
    ratio = {name: ours[name]["median"] / theirs[name]["median"] for name in ("p50", "p99", "p99.9")}
    absolute = ", ".join(f"{name} {ours[name]['median'] / US:.1f} us" for name in ratio)
    text = f"{ratio['p50']:.3f} and {ratio['p99']:.3f} / {ratio['p99.9']:.3f} ({absolute})"
    body = max(ratio["p50"], ratio["p99"])
    return Figure(text, body <= 0.05 and ratio["p99.9"] <= 0.25, body <= 0.03 and ratio["p99.9"] <= 0.02)


def _black_hole(results: Results) -> Figure:
    modes = results["latency"]["modes"]
    healthy, hole = (modes[mode][SELF]["p99"]["median"] / US for mode in ("ok", "blackhole"))
    times = hole / healthy
    return Figure(f"{times:.2f} x ({healthy:.1f} -> {hole:.1f} us)", times <= 1.5 or hole - healthy <= 20, times <= 1.1)


def _convoy(results: Results) -> Figure:
    found = results["convoy"]["peers"]
    times = found[SELF]["median"] / found[PEER]["median"]
    return Figure(f"{times:.1f} x ({found[SELF]['median']:,.0f} events/s)", times >= 10, times >= 30)


def _ring(results: Results) -> Figure:
    ring = {kind: found["ratio"] for kind, found in results["memory"]["ring"].items()}
    worst = max(ring["rig"], ring["mixed"])
    return Figure(", ".join(f"{kind} {ratio:.2f}" for kind, ratio in ring.items()), worst <= 0.85, worst <= 0.66)


def _resident(results: Results) -> Figure:
    found = results["memory"]["resident"][SELF]
    left, held = ((found[key] - found["baseline"]) / 2**20 for key in ("drained", "full"))
    burst = results["memory"]["burst_bytes"] >> 20
    return Figure(f"{left:+.1f} MiB (full: {held:+.1f} MiB; a burst of {burst} MiB)", left <= 4, left <= 1)


def _import(results: Results) -> Figure:
    found = results["imports"]["imports"][SELF]
    wall = found["wall_ms"]["median"]
    clean = not (found["threads"] or found["sockets"] or found["urllib3"])
    text = f"{wall:.1f} ms, {found['threads']} threads, {found['sockets']} sockets, urllib3 "
    return Figure(text + ("imported" if found["urllib3"] else "not imported"), clean and wall < 30, clean and wall < 15)


def _by_kind(times: dict[str, float]) -> str:
    others = ", ".join(f"{kind} {value:.0f}" for kind, value in times.items() if kind != "rig")
    return f"{times['rig']:.1f} x ({others})"


ROWS = (
    Row("`track()`, worker idle, against dict + `orjson.dumps`: rig / mixed", "<= 0.70 / 0.95", "0.45 / 0.70",
        _track_against_orjson),
    Row("the same against segment-analytics-python's `track()`", ">= 50 x", "80 x", _track_against_segment),
    Row("first `track()` to last acknowledgement, against segment-analytics-python", ">= 50 x", "75 x", _end_to_end),
    Row("CPU per event delivered, against segment-analytics-python", "<= 1/40", "1/55", _cpu),
    Row("tape to JSON, against `orjson.dumps` of the same events: rig / mixed", "<= 0.45 / 0.70", "0.35 / 0.55",
        _encode),
    Row("paced 2,000 calls/s, against segment's: p50 and p99 / p99.9", "<= 0.05 / 0.25", "0.03 / 0.02", _latency),
    Row("p99 at 2,000 calls/s, black-holed against healthy", "<= 1.5 x or + 20 us", "1.1 x", _black_hole),
    Row("delivery while the main thread is CPU-bound, against segment's", ">= 10 x", "30 x", _convoy),
    Row("ring bytes per event against its JSON bytes (the worse of rig and mixed)", "<= 0.85", "0.66", _ring),
    Row("resident memory after a 60 MiB burst has drained, over the baseline", "<= 4 MiB", "1 MiB", _resident),
    Row("`from sluiceway import Segment`, a bare interpreter subtracted",
        "< 30 ms, no thread, no socket, no urllib3", "< 15 ms", _import),
)  # fmt: skip


def judge(results: Results) -> list[dict[str, str]]:
    """Return every row with its figure and verdict: `aim`, `must`, `missed` or `not measured`."""
    judged = []
    for row in ROWS:
        try:
            figure = row.find(results)
        except KeyError:
            text, verdict = "", "not measured"
        else:
            text, verdict = figure.text, "aim" if figure.aim and figure.must else "must" if figure.must else "missed"
        judged.append({"measure": row.measure, "must": row.must, "aim": row.aim, "figure": text, "verdict": verdict})
    return judged
