"""What hosts do to a process that Python does not tell us: ends without exit hooks, and threads that do not run.

A host is looked at only if the process already runs under it, and by its own public names. Nothing is replaced, but for
the default action of one signal at the very end of a Celery process.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
            _outlive_parent_thread(leave)
            _keep_locks_whole()

        signals.worker_process_shutdown.connect(on_shutdown, weak=False, dispatch_uid="sluiceway")


def _outlive_parent_thread(leave: Callable[[], None]) -> None:
    """Leave, without the SIGKILL that Celery has asked the kernel for at its parent's death.

    To the kernel the parent is a thread. Pool processes that take the place of others are started by a thread of
    billiard's, which ends up to 0.8 seconds after a warm shutdown has begun: in the middle of what they send.
    """
    util: Any = sys.modules.get("billiard.util")
    parent, number = os.getppid(), 0
    try:
        number = util.get_pdeathsig() if util is not None else 0
        if number:
            util.set_pdeathsig(0)
    except (OSError, AttributeError):
        number = 0
    leave()
    if number:
        with suppress(OSError):
            util.set_pdeathsig(number)
        if os.getppid() != parent:  # it died meanwhile, and nobody would ever end this process
            os.kill(os.getpid(), number)


def _keep_locks_whole() -> None:
    """Have a SIGTERM no longer end the process on the spot, where it would; what Celery does next ends it anyway.

    billiard tells its main process of the exit under a lock that all processes share, and is answered with SIGTERM. It
    blocks that for the main thread only: any other thread takes it, and after a cold shutdown's first SIGTERM the
    action is the default one. The lock would stay locked, and the main process wait for the others for ever.
    """
    import signal

    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _pass)


def _pass(_number: int, _frame: object) -> None:
    pass


def load_early(module_names: Sequence[str] = ("ssl", "hashlib")) -> None:
    """Load what is needed to send over TLS now, under uWSGI: its processes end OpenSSL before Python's exit hooks run.

    What is loaded for the first time after that fails, or ends the process with a segmentation fault.
    """
    if "uwsgi" in sys.modules:
        for name in module_names:
            with suppress(ImportError):
                __import__(name)


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
