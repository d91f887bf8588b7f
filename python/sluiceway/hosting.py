"""What hosts do to a process that Python does not tell us: ends without exit hooks, and threads that do not run.

A host is looked at only if the process already runs under it, and by its own public names. Nothing is replaced.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sluiceway.notices import Voice

_warned_in: int | None = None


def at_exit(leave: Callable[[], None]) -> None:
    """Have `leave` called where a host ends its processes in a way of its own. May be repeated; costs no second call.

    Celery's pool processes end in `os._exit`, past `atexit` and the finalizers of `billiard`; the signal that Celery
    sends before that, with a moment's patience, is the only place left.
    """
    signals = sys.modules.get("celery.signals")
    if signals is not None:

        def on_shutdown(**_: Any) -> None:
            leave()

        signals.worker_process_shutdown.connect(on_shutdown, weak=False, dispatch_uid="sluiceway")


def warn_if_threads_rest(voice: Voice) -> None:
    """Say, once in each process, when uWSGI lets no thread of Python's run between two requests.

    Releases before 2.0.27 do so unless they are told otherwise. Events then leave during later requests and at the
    exit only, however long that takes.
    """
    global _warned_in  # noqa: PLW0603  (a process has one host)
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None or getattr(uwsgi, "has_threads", True) or _warned_in == os.getpid():
        return
    _warned_in = os.getpid()
    voice.log(
        logging.WARNING,
        "uWSGI runs without --enable-threads: events wait for later requests or the exit; set enable-threads = true",
    )
