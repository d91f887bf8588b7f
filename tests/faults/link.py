"""A network link in user space: carries packets between two namespaces and treats them as badly as it is told.

    python tests/faults/link.py NAMESPACE NAMESPACE SEED

It opens a TUN device in each, so that what it drops, delays and squeezes are IP packets, and TCP itself sees the fault.
That needs no kernel module for it (sch_netem is missing where tests often run), and the same seed draws the same fates.
Each line of standard input is the link's new state in JSON; "ready" answers it. It ends when its input does.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import struct
import sys
import time
from typing import Any

ADDRESSES = ("10.77.0.1", "10.77.0.2")
HEALTHY: dict[str, Any] = {"up": True, "loss": 0.0, "delay": 0.0, "jitter": 0.0, "bits_per_second": 0}

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_WITHOUT_HEADER = 0x1001
_MTU_BYTES = 1_500
# What waits for a slow line at most; the rest is dropped, as a modem's buffer does.
_BUFFER_BYTES = 65_536


def enter(namespace: str) -> None:
    """Move the calling thread into a network namespace."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    finally:
        os.close(descriptor)


def _tun(namespace: str, own: str, other: str) -> int:
    enter(namespace)
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", b"far0", _IFF_TUN_WITHOUT_HEADER))
    for command in (f"addr add {own} peer {other} dev far0", "link set far0 up", "link set lo up"):
        if os.spawnlp(os.P_WAIT, "ip", "ip", *command.split()):
            raise OSError(f"ip {command}")
    return descriptor


class Link:
    """The packets under way, and what becomes of the next one."""

    def __init__(self, ends: tuple[int, int], seed: int) -> None:
        self._ends = ends
        self._random = random.Random(seed)
        self._state = dict(HEALTHY)
        self._under_way: list[tuple[float, int, int, bytes]] = []
        self._number = 0
        self._line_free_at = [0.0, 0.0]

    def run(self) -> None:
        """Carry until the input ends."""
        while True:
            now = time.monotonic()
            while self._under_way and self._under_way[0][0] <= now:
                _, _, end, packet = heapq.heappop(self._under_way)
                self._put(end, packet)
            timeout = max(0.0, self._under_way[0][0] - now) if self._under_way else None
            ready, _, _ = select.select([*self._ends, sys.stdin], [], [], timeout)
            for index, end in enumerate(self._ends):
                if end in ready:
                    self._carry(index, os.read(end, _MTU_BYTES + 64))
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                self._state = {**HEALTHY, **json.loads(line)}
                if not self._state["up"]:
                    self._under_way.clear()
                print("ready", flush=True)

    def _carry(self, index: int, packet: bytes) -> None:
        state, now = self._state, time.monotonic()
        if not state["up"] or self._random.random() < state["loss"]:
            return
        due = now
        if state["bits_per_second"]:
            waits = max(0.0, self._line_free_at[index] - now)
            if waits * state["bits_per_second"] / 8 > _BUFFER_BYTES:
                return
            due = self._line_free_at[index] = now + waits + len(packet) * 8 / state["bits_per_second"]
        due += state["delay"] + self._random.random() * state["jitter"]
        self._number += 1
        heapq.heappush(self._under_way, (due, self._number, self._ends[1 - index], packet))

    @staticmethod
    def _put(end: int, packet: bytes) -> None:
        try:
            os.write(end, packet)
        except OSError:
            return  # the namespace is going, or its queue is full: a packet is lost


def main() -> None:
    """Open both ends, say so, and carry."""
    first, second, seed = sys.argv[1:]
    ends = _tun(first, *ADDRESSES), _tun(second, *reversed(ADDRESSES))
    print("ready", flush=True)
    Link(ends, int(seed)).run()


if __name__ == "__main__":
    main()
