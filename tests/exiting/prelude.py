"""What every program of a path begins with. It is read as text and stands in front of the path's own."""

# ruff: noqa: F401

import atexit
import gc
import json
import os
import signal
import sys
import threading
import time
import weakref

TRIAL = os.environ["TRIAL"]
CONTROL = "CONTROL" in os.environ


class Nobody:
    """Stands in for the client in the control run: has every method, and does nothing."""

    def __getattr__(self, name):
        return lambda *_, **__: None


def make(**options):
    """Return a client, or nobody."""
    if CONTROL:
        return Nobody()
    from sluiceway import Segment

    given = {"host": os.environ["HOST"], "exit_timeout": float(os.environ["EXIT_TIMEOUT"]), "flush_first": False}
    return Segment("a-write-key-of-tests", **given, **json.loads(os.environ["OPTIONS"]), **options)


def track(count, who="main", by=None, **more):
    """Track so many events under names that the receiver will know; returns how many were accepted."""
    by = by or client
    return sum(
        by.track("u", "E", {"text": "x" * 50}, message_id=f"{TRIAL}/{who}/{n}", **more) is True for n in range(count)
    )


def say(*words):
    """Tell those who watch, with the time at which it was said."""
    os.write(int(os.environ["WORDS"]), f"{time.monotonic()} {' '.join(map(str, words))}\n".encode())


def wait_for(condition):
    """Wait until something is so; without a client it never will be."""
    while not CONTROL and not condition():
        time.sleep(0.002)


client = make()
