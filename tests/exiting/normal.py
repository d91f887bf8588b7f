"""Row 45: the ends that Python plans for, Ctrl-C among them. What was accepted arrives, and the end stays as it was."""

from __future__ import annotations

from signal import SIGINT

from exiting.path import Path, Push

SEVEN = {"main": 7}

PATHS = (
    Path(name="end", row=45, expects=SEVEN, program="track(7); say('leaving')"),
    Path(name="never-used", row=45, program="say('leaving')"),
    Path(name="exit-0", row=45, expects=SEVEN, program="track(7); say('leaving'); sys.exit(0)"),
    Path(name="exit-3", row=45, expects=SEVEN, program="track(7); say('leaving'); sys.exit(3)"),
    Path(name="exit-with-a-text", row=45, expects=SEVEN, program="track(7); say('leaving'); sys.exit('a last word')"),
    Path(name="exception", row=45, expects=SEVEN, program="track(7); say('leaving'); raise ValueError('the end')"),
    Path(
        name="exception-in-a-thread",
        row=45,
        expects=SEVEN,
        program="""
        def fall():
            track(7)
            raise ValueError("the end of a thread")
        thread = threading.Thread(target=fall); thread.start(); thread.join()
        say("leaving")
        """,
    ),
    Path(
        name="system-exit-in-a-thread",
        row=45,
        expects=SEVEN,
        program="""
        def leave():
            track(7)
            sys.exit(3)
        thread = threading.Thread(target=leave); thread.start(); thread.join()
        say("leaving")
        """,
    ),
    Path(
        name="thread-outlives-main",
        row=45,
        expects={"main": 7, "late": 3},
        program="""
        def late():
            time.sleep(0.1)
            track(3, "late")
            say("leaving")
        track(7)
        threading.Thread(target=late).start()
        """,
    ),
    Path(
        name="thread-pool",
        row=45,
        expects={f"task-{number}": 2 for number in range(8)},
        program="""
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(4)
        for number in range(8):
            pool.submit(track, 2, f"task-{number}")
        pool.shutdown()
        say("leaving")
        """,
    ),
    Path(
        name="asyncio",
        row=45,
        expects={f"task-{number}": 2 for number in range(8)},
        program="""
        import asyncio
        async def task(number):
            await asyncio.sleep(0)
            track(2, f"task-{number}")
        async def main():
            await asyncio.gather(*(task(number) for number in range(8)))
        asyncio.run(main())
        say("leaving")
        """,
    ),
    Path(name="collected", row=45, expects=SEVEN, program="track(7); del client; gc.collect(); say('leaving')"),
    Path(name="closed", row=45, expects=SEVEN, program="track(7); client.close(); say('leaving'); sys.exit(3)"),
    Path(
        name="three-clients",
        row=45,
        expects={"main": 7, "one": 3, "two": 3},
        program="more = make(), make(); track(7); track(3, 'one', more[0]); track(3, 'two', more[1]); say('leaving')",
    ),
    Path(
        name="ctrl-c",
        row=45,
        expects=SEVEN,
        program="track(7); say('ready'); time.sleep(30)",
        pushes=[Push("ready", SIGINT)],
    ),
    Path(
        name="ctrl-c-in-flush",
        row=45,
        endpoint="silent",
        program="track(7); say('ready'); client.flush(30); time.sleep(30)",
        pushes=[Push("ready", SIGINT, 0.2)],
    ),
    Path(
        name="ctrl-c-in-flush-caught",
        row=45,
        endpoint="silent",
        program="""
        track(7)
        say("ready")
        try:
            client.flush(30); time.sleep(30)
        except KeyboardInterrupt:
            sys.exit(5)
        """,
        pushes=[Push("ready", SIGINT, 0.2)],
    ),
    Path(
        name="ctrl-c-twice-in-flush",
        row=45,
        endpoint="silent",
        exit_timeout=25.0,
        within=1.0,
        program="""
        track(7)
        say("ready")
        try:
            client.flush(30); time.sleep(30)
        finally:
            say("leaving")
        """,
        pushes=[Push("ready", SIGINT, 0.2), Push("leaving", SIGINT, 0.4)],
    ),
    Path(
        name="ctrl-c-while-it-exits",
        row=45,
        endpoint="silent",
        exit_timeout=25.0,
        within=1.0,
        code=3,
        program="track(7); say('leaving'); sys.exit(3)",
        pushes=[Push("leaving", SIGINT, 0.4)],
    ),
)
