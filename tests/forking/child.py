"""What a child does with the client that it inherited, and what it reports of it."""

from __future__ import annotations

import atexit
import gc
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable

import msgspec

from forking.load import childs_id
from sluiceway import Segment

# A child that has not reported by then hangs; a grandchild in half of the time.
HANG_SECONDS = 60.0

WAYS = {"flush": 45, "grandchild": 20, "close": 10, "exit": 10, "collect": 10, "leave alone": 5}


class Report(msgspec.Struct):
    """What a child, with its own children, says of itself."""

    accepted: int = 0
    ours: list[str] = []
    processes: int = 1
    wrong: list[str] = []


def fork(work: Callable[[], Report], by: Callable[[], int] = os.fork) -> tuple[int, int]:
    """Start a child that does the work; returns its process id and where its report can be read."""
    reader, writer = os.pipe()
    pid = by()
    if pid:
        os.close(writer)
        return pid, reader
    try:
        os.close(reader)
        try:
            report = work()
        except BaseException as error:
            report = Report(wrong=[f"raised {error!r}"])
        os.write(writer, msgspec.json.encode(report))
    finally:
        os._exit(0)


def harvest(pid: int, reader: int, seconds: float) -> Report:
    """Wait for a child and return its report; how it died is a part of that."""
    deadline = time.monotonic() + seconds
    said = b""
    while select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]:
        chunk = os.read(reader, 65_536)
        if not chunk:
            break
        said += chunk
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(reader)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == -signal.SIGKILL:
        return Report(wrong=["hung"])
    if code != 0 or not said:
        return Report(wrong=[f"died with {code}"])
    return msgspec.json.decode(said, type=Report)


class Child:
    """One child: `number` makes its events' ids, `chance` its way."""

    def __init__(self, client: Segment, spares: list[Segment], number: int, seed: int) -> None:
        self._client = client
        self._spares = spares
        self._number = number
        self._chance = random.Random(f"{seed} {number}")
        [self.way] = self._chance.choices(list(WAYS), list(WAYS.values()))

    def __call__(self) -> Report:
        """Do it; in the child."""
        report = Report()
        if self.way == "leave alone":
            return report
        if self.way == "collect":
            # The engines of clients whose threads and connections are the parent's.
            self._spares.clear()
            gc.collect()
        count = self._chance.randint(1, 6)
        self._track(report, 0, count)
        if self.way == "grandchild":
            self._have_a_child(report)
        self._end(report)
        self._check(report, count)
        return report

    def _track(self, report: Report, first: int, count: int) -> None:
        for index in range(first, first + count):
            event_id = childs_id(self._number, index) if index % 2 else None
            if self._client.track("child", "Counted", {"index": index}, message_id=event_id) is True:
                report.accepted += 1
                if event_id:
                    report.ours.append(event_id)

    def _have_a_child(self, report: Report) -> None:
        def work() -> Report:
            of_grandchild = Report()
            count = self._chance.randint(1, 6)
            self._track(of_grandchild, 1_000, count)
            self._end(of_grandchild)
            self._check(of_grandchild, count)
            return of_grandchild

        theirs = harvest(*fork(work), HANG_SECONDS / 2)
        report.accepted += theirs.accepted
        report.ours += theirs.ours
        report.processes += theirs.processes
        report.wrong += [f"grandchild {what}" for what in theirs.wrong]

    def _end(self, report: Report) -> None:
        if self.way == "exit":
            # As the end of a program does it. What others registered for the parent's end is not for here.
            for module in ("multiprocessing.util", "concurrent.futures.thread"):
                sys.modules.pop(module, None)
            atexit._run_exitfuncs()
            return
        result = self._client.close(HANG_SECONDS / 4) if self.way == "close" else self._client.flush(HANG_SECONDS / 4)
        if not result:
            report.wrong.append(f"ended with {result}")

    def _check(self, report: Report, count: int) -> None:
        stats = self._client.stats()
        if (stats.offered, stats.accepted, stats.delivered, stats.pending) != (count, count, count, 0):
            report.wrong.append("counts other events than it tracked")
        if not stats.balanced:
            report.wrong.append("does not balance")
