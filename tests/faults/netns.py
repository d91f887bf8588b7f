"""Network namespaces of a test's own, and the link between two of them. Needs root and the `ip` command, on Linux."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from .link import ADDRESSES, enter

Answer = TypeVar("Answer")

NEAR, FAR = ADDRESSES
_numbers = itertools.count()


@functools.cache
def why_not() -> str:
    """Say what is missing for network tests, or nothing."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "the ip command (iproute2) is not installed"
    if not os.path.exists("/dev/net/tun"):
        return "there is no /dev/net/tun"
    name = f"sluiceway-try-{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespace to be had: {tried.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", name], check=False)
    return ""


@contextlib.contextmanager
def namespace(*, resolver: str | None = None) -> Iterator[str]:
    """Make a namespace whose loopback is up; yields its name. `resolver` is the lines of its resolv.conf."""
    name = f"sluiceway-{os.getpid()}-{next(_numbers)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    folder = Path("/etc/netns") / name
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        if resolver is not None:
            folder.mkdir(parents=True)
            (folder / "resolv.conf").write_text(resolver)
        yield name
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
        subprocess.run(["ip", "netns", "delete", name], check=True)


def inside(name: str, function: Callable[[], Answer]) -> Answer:
    """Run a function on a thread in a namespace. Sockets that it opens, and threads that it starts, stay there."""
    answer: list[Answer] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            enter(name)
            answer.append(function())
        except BaseException as met:
            error.append(met)

    thread = threading.Thread(target=run, name=f"in {name}")
    thread.start()
    thread.join()
    if error:
        raise error[0]
    return answer[0]


class Wire:
    """The link between two namespaces, which are `near` at NEAR and `far` at FAR."""

    def __init__(self, near: str, far: str, seed: int) -> None:
        self.near, self.far = near, far
        program = str(Path(__file__).with_name("link.py"))
        self._process = subprocess.Popen(
            [sys.executable, program, near, far, str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._await()

    def becomes(self, **state: Any) -> None:
        """Change what the link does: `up`, `loss` (a share), `delay` and `jitter` (seconds), `bits_per_second`."""
        pipe = cast("IO[str]", self._process.stdin)
        pipe.write(json.dumps(state) + "\n")
        pipe.flush()
        self._await()

    def _await(self) -> None:
        if cast("IO[str]", self._process.stdout).readline() != "ready\n":
            raise RuntimeError("the link between the namespaces broke")

    def close(self) -> None:
        """Take the link away."""
        cast("IO[str]", self._process.stdin).close()
        self._process.wait(10)
        cast("IO[str]", self._process.stdout).close()


@contextlib.contextmanager
def wired(seed: int = 20131231) -> Iterator[Wire]:
    """Two namespaces with a link between them."""
    with namespace() as near, namespace() as far:
        wire = Wire(near, far, seed)
        try:
            yield wire
        finally:
            wire.close()
