"""The same client inside Celery: tasks that take an event each, and some that last, compute or die."""

from __future__ import annotations

import collections
import itertools
import os
import signal
import time

import shared
from celery import Celery

_FOLDER = os.environ["BROKER_FOLDER"]

app = Celery("tasks", broker="filesystem://", backend=f"file://{_FOLDER}/results")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{_FOLDER}/queue",
        "data_folder_out": f"{_FOLDER}/{os.environ.get('OUTBOX', 'queue')}",
        "polling_interval": 0.05,
        "control_folder": f"{_FOLDER}/control",
    },
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
)


@app.task
def track(n: int, seconds: float = 0.01) -> tuple[bool, int]:
    """Take the event, then work for a while."""
    accepted = shared.track(n)
    time.sleep(seconds)
    return accepted, os.getpid()


@app.task
def stuck(n: int) -> None:
    """Take the event, then never come back."""
    shared.track(n)
    collections.deque(itertools.repeat(0), maxlen=0)


@app.task
def die(n: int, seconds: float) -> None:
    """Take the event, work for a while, and be killed at it, as by a system that runs out of memory."""
    shared.track(n)
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)
