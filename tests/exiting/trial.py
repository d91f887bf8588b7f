"""Run the program of a path, push it, watch it end, and compare that with its control: the same without a client."""

from __future__ import annotations

import json
import os
import random
import re
import select
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path as FilePath

import msgspec

from exiting.path import Path
from sluiceway.testing import Answer, Receiver

PRELUDE = FilePath(__file__).with_name("prelude.py").read_text()

# A program that has not ended by then hangs.
HANG_SECONDS = 45.0
# What has been accepted may be on its way still when a child outlives its parent.
ARRIVAL_SECONDS = 20.0
# Beyond what a path allows an idle machine: this one may be busy.
SLACK_SECONDS = 10.0

OUR_LINE = re.compile(
    r".*sluiceway.*(closed before everything was sent; \d+ events failed"
    r"|the program ended before everything was sent: events \d+, clients \d+, seconds waited [\d.]+)$"
)
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_FAREWELLS = ("leaving", "ready")


class Ended(msgspec.Struct, frozen=True):
    """What was seen of one run."""

    code: int | None
    """None: it did not end by itself."""
    seconds: float
    """From its last word, or the last push, to the end."""
    stdout: str
    stderr: str
    accepted: Mapping[str, int]
    """What the program itself said of who had how many events accepted."""


class Stage:
    """What the programs need around them: their files, and the servers they send to. One for a whole run."""

    def __init__(self, answers: Receiver, silent: Receiver, refuses: str, folder: FilePath, seed: int) -> None:
        self.answers = answers
        self.silent = silent
        self._refuses = refuses
        self._folder = folder
        self._seed = seed
        self._controls: dict[str, Ended] = {}

    def control(self, path: Path) -> Ended:
        """Return how the program ends without a client; run once."""
        if path.name not in self._controls:
            self._controls[path.name] = self._run(path, f"{path.name}/control", {"CONTROL": "1"})
        return self._controls[path.name]

    def trial(self, path: Path, number: int) -> list[str]:
        """Run the program once; returns what was wrong, and notes how long the end took."""
        name = f"{path.name}/{number}"
        return self.judge(path, name, self.run(path, name))

    def run(self, path: Path, name: str, extra: Mapping[str, str] | None = None) -> Ended:
        """Run the program under a name that its events carry."""
        hosts = {"answers": self.answers.url, "silent": self.silent.url, "refuses": self._refuses}
        return self._run(path, name, {"HOST": hosts[path.endpoint], **(extra or {})})

    def judge(self, path: Path, name: str, ended: Ended) -> list[str]:
        """Return what is wrong with an end."""
        control = self.control(path)
        wanted_code = control.code if path.code is None else path.code
        wrong = []
        if ended.code is None:
            wrong.append(f"had not ended after {HANG_SECONDS} s")
        elif ended.code != wanted_code:
            wrong.append(f"ended with {ended.code} instead of {wanted_code}")
        if ended.seconds > path.allowed + SLACK_SECONDS:
            wrong.append(f"took {ended.seconds:.2f} s of {path.allowed} s to end")
        wrong += _judge_lines(path, ended.stderr, control.stderr)
        if path.endpoint == "answers":
            wrong += self._judge_arrivals(path, name, {**path.expects, **ended.accepted})
        return wrong

    def _judge_arrivals(self, path: Path, name: str, expected: Mapping[str, int]) -> Iterator[str]:
        wanted = {f"{name}/{who}/{number}" for who, count in expected.items() for number in range(count)}
        deadline = time.monotonic() + ARRIVAL_SECONDS
        while not all(map(self.answers.acknowledged, wanted)) and time.monotonic() < deadline:
            time.sleep(0.02)
        arrived = Counter(logged.id for logged in self.answers.log if logged.id.startswith(f"{name}/"))
        if missing := wanted - arrived.keys():
            yield f"{len(missing)} of {len(wanted)} events are missing, {min(missing)} for one"
        if twice := [event for event, count in arrived.items() if count > 1]:
            yield f"{len(twice)} events arrived more than once, {min(twice)} for one"
        if not path.loses and (more := arrived.keys() - wanted):
            yield f"{len(more)} events arrived that nobody was to accept, {min(more)} for one"

    def _run(self, path: Path, name: str, extra: Mapping[str, str]) -> Ended:
        # One file for program and control, or the tracebacks would differ.
        program = self._folder / f"path-{path.name}.py"  # which no module is called
        if not program.exists():
            program.write_text(f"{PRELUDE}\n{textwrap.dedent(path.program)}\n")
        chance = random.Random(f"{self._seed} {name}")
        words, said = os.pipe()
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "PYTHONWARNINGS": "ignore::DeprecationWarning",  # CPython's own, of forks while threads run
            "TRIAL": name,
            "WORDS": str(said),
            "EXIT_TIMEOUT": str(path.timeout),
            "OPTIONS": json.dumps(path.options),
            **extra,
        }
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            process = subprocess.Popen(
                [sys.executable, str(program)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(said,),
            )
            os.close(said)
            heard = _Words(words)
            last = 0.0
            for push in path.pushes:
                if heard.wait_for(push.word, HANG_SECONDS):
                    time.sleep(push.after + chance.random() * path.random_seconds)
                    last = time.monotonic()
                    process.send_signal(push.number)
            try:
                code: int | None = process.wait(HANG_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = None
            ended = time.monotonic()
            heard.read(0.0)
            os.close(words)
            for file in (stdout, stderr):
                file.seek(0)
            farewells = [at for at, said_words in heard.lines if said_words[0] in _FAREWELLS]
            return Ended(
                code=code,
                seconds=ended - max(last, *farewells, 0.0) if last or farewells else 0.0,
                stdout=stdout.read().decode(errors="replace"),
                stderr=stderr.read().decode(errors="replace"),
                accepted={line[1]: int(line[2]) for _, line in heard.lines if line[0] == "accepted"},
            )


class _Words:
    """What a program says on its own pipe."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._rest = b""
        self.lines: list[tuple[float, list[str]]] = []

    def wait_for(self, word: str, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not any(line[0] == word for _, line in self.lines):
            if not self.read(max(0.0, deadline - time.monotonic())):
                return False
        return True

    def read(self, seconds: float) -> bool:
        """Read what is there; False when nothing comes any more."""
        any_read = False
        while select.select([self._pipe], [], [], 0.0 if any_read else seconds)[0]:
            chunk = os.read(self._pipe, 65_536)
            if not chunk:
                break
            any_read = True
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            for line in whole:
                at, *said = line.decode().split()
                self.lines.append((float(at), said))
        return any_read


def _judge_lines(path: Path, said: str, by_control: str) -> Iterator[str]:
    """Compare what stands on the standard error: lines of a traceback's inside differ, as calls into the client do."""
    lines, expected = _headlines(said), _headlines(by_control)
    ours = [line for line in lines if OUR_LINE.match(line)]
    others = Counter(line for line in lines if line not in ours)
    # Where nothing gets through, one line tells how much was lost, if the end had time for it.
    most = path.lines if path.endpoint == "answers" else max(path.lines, 1)
    if not path.lines <= len(ours) <= most:
        yield f"{len(ours)} lines of ours on the standard error instead of {path.lines} to {most}: {ours[:2]}"
    if others != Counter(expected):
        yield f"said {(others - Counter(expected)) or 'less'} on the standard error"


def _headlines(text: str) -> list[str]:
    return [_ADDRESS.sub("0x", line) for line in text.splitlines() if line and not line.startswith(" ")]


@contextmanager
def stage(seed: int) -> Iterator[Stage]:
    """Set everything up, and take it down again."""
    with (
        Receiver(keep="log") as answers,
        Receiver(default=Answer(delay=4 * HANG_SECONDS), keep="ids") as silent,
        socket.socket() as closed,
        tempfile.TemporaryDirectory() as folder,
    ):
        # Bound, so that nobody else gets the port, and not listening.
        closed.bind(("127.0.0.1", 0))
        refuses = f"http://127.0.0.1:{closed.getsockname()[1]}"
        yield Stage(answers, silent, refuses, FilePath(folder), seed)
