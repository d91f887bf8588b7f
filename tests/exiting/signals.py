"""Row 46: the ends that signals bring, and signals that come while a call waits."""

from __future__ import annotations

from signal import SIGHUP, SIGTERM

from exiting.path import Path, Push

SEVEN = {"main": 7}
# Nothing is sent before the end: it is the end that sends, or nothing does.
PATIENT = {"flush_interval": 60}
FULL = {"on_full": "block", "max_queue_events": 2}

PATHS = (
    Path(
        name="sigterm",
        row=46,
        options=PATIENT,
        loses=True,
        program="track(7); say('ready'); time.sleep(30)",
        pushes=[Push("ready", SIGTERM)],
    ),
    Path(
        name="sighup",
        row=46,
        options=PATIENT,
        loses=True,
        program="track(7); say('ready'); time.sleep(30)",
        pushes=[Push("ready", SIGHUP)],
    ),
    Path(
        name="sigterm-ignored",
        row=46,
        options={"install_sigterm": True},
        expects=SEVEN,
        program="""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        make()
        track(7)
        os.kill(os.getpid(), signal.SIGTERM)
        say("leaving")
        """,
    ),
    Path(
        name="sigterm-handler",
        row=46,
        expects=SEVEN,
        program="""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        track(7)
        say("ready")
        time.sleep(30)
        """,
        pushes=[Push("ready", SIGTERM)],
    ),
    Path(
        name="sighup-handler",
        row=46,
        expects=SEVEN,
        program="""
        signal.signal(signal.SIGHUP, lambda *_: sys.exit(5))
        track(7)
        say("ready")
        time.sleep(30)
        """,
        pushes=[Push("ready", SIGHUP)],
    ),
    Path(
        name="sigterm-handler-that-flushes-in-the-middle-of-track",
        row=46,
        program="""
        def flush(*_):
            client.flush(20)
            sys.exit(5)
        signal.signal(signal.SIGTERM, flush)
        # Not in the start of the worker: a flush there can only wait for its timeout.
        track(1, "first")
        client.flush(20)
        say("ready")
        number = 0
        ended = time.monotonic() + 20
        try:
            while time.monotonic() < ended:
                # The queue may be full: 100,000 calls take less than the sending of them.
                number += client.track("u", "E", message_id=f"{TRIAL}/main/{number}") is not False
        finally:
            # The call that the signal met may have been through.
            say("accepted", "main", number)
        """,
        expects={"first": 1},
        loses=True,
        random_seconds=0.05,
        pushes=[Push("ready", SIGTERM)],
    ),
    Path(
        name="sigterm-installed",
        row=46,
        code=143,
        options={"install_sigterm": True},
        expects=SEVEN,
        program="track(7); say('ready'); time.sleep(30)",
        pushes=[Push("ready", SIGTERM)],
    ),
    Path(
        name="sigterm-installed-stuck",
        row=46,
        code=143,
        endpoint="silent",
        options={"install_sigterm": True},
        program="track(7); say('ready'); client.flush(30); time.sleep(30)",
        pushes=[Push("ready", SIGTERM, 0.2)],
    ),
    Path(
        name="sigterm-in-asyncio",
        row=46,
        expects=SEVEN,
        program="""
        import asyncio
        async def main():
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
            track(7)
            say("ready")
            await asyncio.wait_for(stop.wait(), 30)
        asyncio.run(main())
        """,
        pushes=[Push("ready", SIGTERM)],
    ),
    Path(
        name="sigterm-in-a-track-that-waits-for-room",
        row=46,
        endpoint="silent",
        options=FULL,
        program="""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        say("ready")
        track(7)
        time.sleep(30)
        """,
        pushes=[Push("ready", SIGTERM, 0.3)],
    ),
    Path(
        name="sigalrm-in-flush",
        row=46,
        endpoint="silent",
        program="""
        def ring(*_):
            say("leaving")
            raise TimeoutError
        signal.signal(signal.SIGALRM, ring)
        track(7)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            client.flush(30); time.sleep(30)
        except TimeoutError:
            sys.exit(5)
        """,
    ),
    Path(
        name="sigalrm-handlers-that-track-while-track-runs",
        row=46,
        program="""
        from itertools import count
        rung, numbers = 0, count()  # a handler may be interrupted by the next
        def ring(*_):
            global rung
            if client.track("u", "E", message_id=f"{TRIAL}/handler/{next(numbers)}") is True:
                rung += 1
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        tracked = 0
        while not CONTROL and (rung < 50 or tracked < 5000):
            tracked += client.track("u", "E", message_id=f"{TRIAL}/main/{tracked}") is True
        signal.setitimer(signal.ITIMER_REAL, 0)
        say("accepted", "handler", next(numbers))
        say("accepted", "main", tracked)
        """,
    ),
)
