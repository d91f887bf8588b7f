"""Does `sluiceway dev` hold a busy service's 50,000 events a second, with its page usable? Exit code 0 says yes.

The server runs as users start it, in a process of its own; another process sends with our own client. Meanwhile this
one does what a page does: it listens to the stream, and asks for the newest hundred events twice a second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

EVENTS_PER_SECOND = 50_000
MAX_RSS_MIB = 300
# A page is usable while a click is answered within a second and the list is not behind by more than two.
MAX_GET_SECONDS = 1.0
MAX_STREAM_SECONDS = 2.0
# What the client holds back for a full batch when the sending ends; a server that is slower leaves more behind.
LAST_BATCH_SECONDS = 0.5


class Watcher:
    """What a page sees: how long the newest events take, and how late the stream tells of one."""

    def __init__(self, page: str) -> None:
        self._api = page + "api/"
        self._stop = threading.Event()
        self.gets: list[float] = []
        self.delays: list[float] = []
        self.gaps: list[float] = []
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._ask, self._listen)]
        for thread in self._threads:
            thread.start()

    def ask(self, what: str) -> Any:
        with urllib.request.urlopen(self._api + what, timeout=30) as answer:
            return json.loads(answer.read())

    def stop(self) -> None:
        self._stop.set()
        self._threads[0].join(35)

    def _ask(self) -> None:
        while not self._stop.wait(0.5):
            started = time.monotonic()
            self.ask("events?limit=100")
            self.gets.append(time.monotonic() - started)

    def _listen(self) -> None:
        kind, last = "", time.monotonic()
        with urllib.request.urlopen(self._api + "stream", timeout=60) as stream:
            for raw in stream:
                line = raw.decode().rstrip("\r\n")
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: ") and kind == "rows":
                    newest = json.loads(line[6:])["events"][0]
                    self.delays.append(time.time() - newest["received"])
                elif line.startswith("data: ") and kind == "counters":
                    self.gaps.append(time.monotonic() - last)
                    last = time.monotonic()
                if self._stop.is_set():
                    return


def peak_mib(pid: int) -> float:
    """Return the most memory that a process has had resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the kernel does not say")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def highest(values: list[float], share: float) -> float:
    """Return the value that `share` of them do not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] if values else float("nan")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=EVENTS_PER_SECOND, help="events a second")
    options = parser.parse_args()
    command = [sys.executable, "-m", "sluiceway", "dev", "--port", "0", "--json", "--quiet", "--even-in-production"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None  # PIPE above
        told = json.loads(server.stdout.readline())
        idle_mib = peak_mib(server.pid)
        watcher = Watcher(told["page"])
        sender = Path(__file__).with_name("dev_sender.py")
        arguments = [told["url"] + "/segment", str(options.rate), str(options.seconds)]
        print(f"{options.rate:,} events/s for {options.seconds:g} s …", flush=True)
        before = cpu_seconds(server.pid)
        said = subprocess.run(
            [sys.executable, str(sender), *arguments], stdout=subprocess.PIPE, check=True, timeout=options.seconds + 120
        )
        sent = json.loads(said.stdout)
        used = cpu_seconds(server.pid) - before
        time.sleep(1.5)
        watcher.stop()
        return report(options.rate, sent, watcher, peak_mib(server.pid), idle_mib, used)
    finally:
        server.terminate()
        server.wait(10)


def report(rate: int, sent: dict[str, Any], watcher: Watcher, mib: float, idle_mib: float, used: float) -> int:
    """Print what was seen; the exit code says whether it held."""
    counters = watcher.ask("state")["counters"]
    delivered = counters["by_vendor"]["segment"]["delivered"]
    offered = sent["offered"] / sent["seconds"]
    arrived, lag = counters["events"], sent["settled_seconds"] - sent["seconds"]
    nbytes = counters["bytes"] / max(arrived, 1)
    p95_get, p95_delay = highest(watcher.gets, 0.95), highest(watcher.delays, 0.95)
    rows = {
        "rate reached": f"{offered:,.0f} events/s, the last acknowledged {lag:.2f} s after the last was sent",
        "counted": f"{arrived:,} of {sent['offered']:,} sent, {delivered:,} delivered",
        "requests": f"{counters['requests']:,}, {nbytes:.0f} bytes an event",
        "stored": f"{counters['stored']:,} kept of a sample, {counters['not_stored']:,} only counted",
        "memory": f"{mib:.0f} MiB at most, {idle_mib:.0f} idle",
        "server's CPU": f"{used / sent['settled_seconds'] * 100:.0f} % of a core",
        "GET events": f"median {statistics.median(watcher.gets) * 1000:.0f} ms, 95 % {p95_get * 1000:.0f} ms, "
        f"longest {max(watcher.gets) * 1000:.0f} ms ({len(watcher.gets)} asked)",
        "stream": f"a row {statistics.median(watcher.delays) * 1000:.0f} ms after its arrival, 95 % "
        f"{p95_delay * 1000:.0f} ms; counters every {statistics.median(watcher.gaps):.2f} s, "
        f"at worst {max(watcher.gaps):.2f}",
    }
    for name, value in rows.items():
        print(f"  {name:<14}{value}")
    held = {
        f"{rate:,} events/s": offered >= 0.98 * rate and lag <= LAST_BATCH_SECONDS + 0.02 * sent["seconds"],
        "exact count": arrived == sent["offered"] == sent["delivered"] == delivered,
        f"under {MAX_RSS_MIB} MiB": mib < MAX_RSS_MIB,
        "page usable": p95_get < MAX_GET_SECONDS and p95_delay < MAX_STREAM_SECONDS,
    }
    print("  " + ", ".join(f"{name}: {'yes' if fine else 'NO'}" for name, fine in held.items()))
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
