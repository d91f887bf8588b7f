"""The performance budget: what each measure must reach, what it aims for, and what it reached.

The promises and their numbers are the project's own, written before there was anything to measure. Those that compare
are made for each vendor against the vendor's own Python client, and for each of our calls that say the same; those
about the engine, which knows no vendor, are made once. A promise whose measure is missing says so, and none is left
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Callable

Results = dict[str, Any]
Verdict = dict[str, str]
US = 1000.0
SELF = VENDORS["segment"].ours
OURS = tuple(vendor.ours for vendor in VENDORS.values())
ONCE = "the engine"


class Pair(NamedTuple):
    """A client of ours and the package that it stands against."""

    ours: str
    peer: str


CONTESTS = tuple(
    Pair(ours, vendor.peer) for vendor in VENDORS.values() for ours in (vendor.ours, vendor.second_call) if ours
)


class Figure(NamedTuple):
    """What was measured, in a word and in full, and whether it is enough."""

    short: str
    text: str
    must: bool
    aim: bool


class Promise(NamedTuple):
    """One promise about a client of ours; `{peer}` stands for the package that it is held against."""

    measure: str
    must: str
    aim: str
    find: Callable[[Results, Pair], Figure]


def _track_against_orjson(results: Results, pair: Pair) -> Figure:
    ratio = results["track_idle"]["clients"][pair.ours]["against_orjson"]["best"]
    rig, mixed = ratio["rig"], ratio["mixed"]
    short = f"{rig:.2f} / {mixed:.2f}"
    text = f"{short} (tiny {ratio['tiny']:.2f}, large {ratio['large']:.2f})"
    return Figure(short, text, rig <= 0.70 and mixed <= 0.95, rig <= 0.45 and mixed <= 0.70)


def _track_against_peer(results: Results, pair: Pair) -> Figure:
    ours, theirs = (results["track_idle"]["clients"][name]["cpu_ns"] for name in pair)
    times = {kind: theirs[kind]["best"] / ours[kind]["best"] for kind in ours}
    return Figure(f"{times['rig']:.0f} x", _by_kind(times), times["rig"] >= 50, times["rig"] >= 80)


def _end_to_end(results: Results, pair: Pair) -> Figure:
    ours, theirs = (results["end_to_end"]["clients"][name] for name in pair)
    times = {kind: ours[kind]["best"] / theirs[kind]["best"] for kind in ours}
    return Figure(f"{times['rig']:.0f} x", _by_kind(times), times["rig"] >= 50, times["rig"] >= 75)


def _cpu(results: Results, pair: Pair) -> Figure:
    ours, theirs = (results["cpu"]["clients"][name] for name in pair)
    times = {kind: theirs["burst"][kind]["best"] / ours["burst"][kind]["best"] for kind in ours["burst"]}
    details = ", ".join(f"{kind} 1/{value:.0f}" for kind, value in times.items() if kind != "rig")
    if "steady" in ours:
        slow = theirs["steady"]["best"] / ours["steady"]["best"]
        details += f"; steady 2,000/s at default settings 1/{slow:.1f}"
    short = f"1/{times['rig']:.0f}"
    return Figure(short, f"{short} ({details})", times["rig"] >= 40, times["rig"] >= 55)


def _latency(results: Results, pair: Pair) -> Figure:
    ours, theirs = (results["latency"]["clients"][name]["ok"] for name in pair)
    ratio = {name: ours[name]["median"] / theirs[name]["median"] for name in ("p50", "p99", "p99.9")}
    absolute = ", ".join(f"{name} {ours[name]['median'] / US:.1f} us" for name in ratio)
    short = f"{ratio['p50']:.3f}, {ratio['p99']:.3f} / {ratio['p99.9']:.3f}"
    body, tail = max(ratio["p50"], ratio["p99"]), ratio["p99.9"]
    return Figure(short, f"{short} ({absolute})", body <= 0.05 and tail <= 0.25, body <= 0.03 and tail <= 0.02)


FAILING = ("blackhole", "drip", "reset")


def _latency_failing(results: Results, pair: Pair) -> Figure:
    """Our worst figures of all failing servers against the peer's with a healthy one."""
    ours, theirs = (results["latency"]["clients"][name] for name in pair)
    worst = {name: max(ours[mode][name]["median"] for mode in FAILING) for name in ("p50", "p99", "p99.9")}
    ratio = {name: took / theirs["ok"][name]["median"] for name, took in worst.items()}
    absolute = ", ".join(f"{name} {took / US:.1f} us" for name, took in worst.items())
    short = f"{ratio['p50']:.3f}, {ratio['p99']:.3f} / {ratio['p99.9']:.3f}"
    body, tail = max(ratio["p50"], ratio["p99"]), ratio["p99.9"]
    return Figure(short, f"{short} ({absolute})", body <= 0.05 and tail <= 0.25, body <= 0.03 and tail <= 0.02)


def _against_healthy(mode: str) -> Callable[[Results, Pair], Figure]:
    def find(results: Results, pair: Pair) -> Figure:
        modes = results["latency"]["clients"][pair.ours]
        healthy, failing = (modes[each]["p99"]["median"] / US for each in ("ok", mode))
        times = failing / healthy
        short = f"{times:.2f} x"
        text = f"{short} ({healthy:.1f} -> {failing:.1f} us)"
        return Figure(short, text, times <= 1.5 or failing - healthy <= 20, times <= 1.1)

    return find


def _convoy(results: Results, pair: Pair) -> Figure:
    ours, theirs = (results["convoy"]["clients"][name] for name in pair)
    times = ours["median"] / theirs["median"]
    short = f"{times:.1f} x"
    text = (
        f"{short} ({ours['median']:,.0f} events/s, the main thread had {ours['progress']:.0%} of its time; "
        f"with the other {theirs['progress']:.0%})"
    )
    return Figure(short, text, times >= 10, times >= 30)


def _encode(results: Results, _pair: Pair) -> Figure:
    ratio = results["encode"]["against_orjson"]["best"]
    rig, mixed = ratio["rig"], ratio["mixed"]
    short = f"{rig:.2f} / {mixed:.2f}"
    text = f"{short} (tiny {ratio['tiny']:.2f}, large {ratio['large']:.2f})"
    return Figure(short, text, rig <= 0.45 and mixed <= 0.70, rig <= 0.35 and mixed <= 0.55)


def _ring(results: Results, _pair: Pair) -> Figure:
    ring = {kind: found["ratio"] for kind, found in results["memory"]["ring"].items()}
    worst = max(ring["rig"], ring["mixed"])
    text = ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in ring.items())
    return Figure(f"{worst:.2f}", text, worst <= 0.85, worst <= 0.66)


def _resident(results: Results, _pair: Pair) -> Figure:
    found = results["memory"]["clients"][SELF]
    left, held = ((found[key] - found["baseline"]) / 2**20 for key in ("drained", "full"))
    burst = results["memory"]["burst_bytes"] >> 20
    short = f"{left:+.1f} MiB"
    return Figure(short, f"{short} (full: {held:+.1f} MiB; a burst of {burst} MiB)", left <= 4, left <= 1)


def _import(results: Results, _pair: Pair) -> Figure:
    clients = results["imports"]["clients"]
    walls = {name: clients[name]["wall_ms"]["median"] for name in OURS}
    left = {key: max(clients[name][key] for name in OURS) for key in ("threads", "sockets", "urllib3")}
    slowest = max(walls.values())
    short = f"{slowest:.1f} ms"
    each = ", ".join(f"{name.partition('.')[2]} {wall:.1f}" for name, wall in walls.items())
    text = f"{short} ({each}), {left['threads']} threads, {left['sockets']} sockets, urllib3 "
    text += "imported" if left["urllib3"] else "not imported"
    clean = not any(left.values())
    return Figure(short, text, clean and slowest < 30, clean and slowest < 15)


def _by_kind(times: dict[str, float]) -> str:
    others = ", ".join(f"{kind} {value:.0f}" for kind, value in times.items() if kind != "rig")
    return f"{times['rig']:.1f} x ({others})"


CALL_PROMISES = (
    Promise("the call, worker idle, against dict + `orjson.dumps`: rig / mixed", "<= 0.70 / 0.95", "0.45 / 0.70",
            _track_against_orjson),
    Promise("the call against {peer}'s", ">= 50 x", "80 x", _track_against_peer),
    Promise("first call to last acknowledgement, against {peer}", ">= 50 x", "75 x", _end_to_end),
    Promise("CPU per event delivered, against {peer}", "<= 1/40", "1/55", _cpu),
    Promise("2,000 calls/s, against {peer}'s: p50, p99 / p99.9", "<= 0.05 / 0.25", "0.03 / 0.02", _latency),
    Promise("2,000 calls/s, the server failing, against {peer}'s with a healthy one: p50, p99 / p99.9",
            "<= 0.05 / 0.25", "0.03 / 0.02", _latency_failing),
    Promise("p99 at 2,000 calls/s, black-holed against healthy", "<= 1.5 x or + 20 us", "1.1 x",
            _against_healthy("blackhole")),
    Promise("p99 at 2,000 calls/s, dripping against healthy", "<= 1.5 x or + 20 us", "1.1 x",
            _against_healthy("drip")),
    Promise("p99 at 2,000 calls/s, resetting against healthy", "<= 1.5 x or + 20 us", "1.1 x",
            _against_healthy("reset")),
)  # fmt: skip
SENDER_PROMISES = (Promise("delivery while the main thread is CPU-bound, against {peer}", ">= 10 x", "30 x", _convoy),)
ENGINE_PROMISES = (
    Promise("tape to JSON, against `orjson.dumps` of the same events: rig / mixed", "<= 0.45 / 0.70", "0.35 / 0.55",
            _encode),
    Promise("ring bytes per event against its JSON bytes (the worse of rig and mixed)", "<= 0.85", "0.66", _ring),
    Promise("resident memory after a 60 MiB burst has drained, over the baseline", "<= 4 MiB", "1 MiB", _resident),
    Promise("`from sluiceway import ...` of the slowest client, a bare interpreter subtracted",
            "< 30 ms, no thread, no socket, no urllib3", "< 15 ms", _import),
)  # fmt: skip


def judge(results: Results) -> list[Verdict]:
    """Return every promise with its figure and verdict: `aim`, `must`, `missed` or `not measured`."""
    judged = []
    for pair in CONTESTS:
        judged += [_judge(promise, results, pair, pair.ours) for promise in CALL_PROMISES]
        if pair.ours in OURS:
            judged += [_judge(promise, results, pair, pair.ours) for promise in SENDER_PROMISES]
    return judged + [_judge(promise, results, CONTESTS[0], ONCE) for promise in ENGINE_PROMISES]


def _judge(promise: Promise, results: Results, pair: Pair, subject: str) -> Verdict:
    try:
        figure = promise.find(results, pair)
    except KeyError:
        figure, verdict = Figure("", "", must=False, aim=False), "not measured"
    else:
        verdict = "aim" if figure.aim and figure.must else "must" if figure.must else "missed"
    return {
        "subject": subject,
        "peer": pair.peer,
        "measure": promise.measure.format(peer=pair.peer),
        "general": promise.measure.format(peer="the peer"),
        "must": promise.must,
        "aim": promise.aim,
        "short": figure.short,
        "figure": figure.text,
        "verdict": verdict,
    }
