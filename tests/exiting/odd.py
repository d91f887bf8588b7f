"""Row 49: events tracked where hardly anything is left: finalizers, exit hooks, modules that are taken down."""

from __future__ import annotations

from exiting.path import Path

SEVEN = {"main": 7}
LATE = """
class Late:
    def __del__(self, track=track):
        track(3, "late")
"""

PATHS = (
    Path(
        name="exit-hook-before-ours",
        row=49,
        expects={"main": 7, "late": 3},
        program="track(7); atexit.register(track, 3, 'late'); say('leaving')",
    ),
    Path(
        name="exit-hook-after-ours",
        row=49,
        expects=SEVEN,
        program="atexit.register(track, 3, 'late'); track(7); say('leaving')",
    ),
    Path(
        name="first-event-in-an-exit-hook",
        row=49,
        expects={"late": 3},
        program="atexit.register(track, 3, 'late'); say('leaving')",
    ),
    Path(
        name="client-made-in-an-exit-hook",
        row=49,
        expects={"late": 3},
        program="""
        def late():
            track(3, "late", make())
        atexit.register(late)
        say("leaving")
        """,
    ),
    Path(
        name="first-event-in-an-exit-hook-stuck",
        row=49,
        endpoint="silent",
        program="atexit.register(track, 3, 'late'); say('leaving')",
    ),
    Path(
        name="exit-hook-that-exits",
        row=49,
        expects=SEVEN,
        program="track(7); atexit.register(sys.exit, 9); say('leaving')",
    ),
    Path(
        name="exit-hook-that-closes",
        row=49,
        expects=SEVEN,
        program="track(7); atexit.register(client.close); say('leaving')",
    ),
    Path(
        name="excepthook",
        row=49,
        expects={"main": 7, "late": 3},
        program="track(7); sys.excepthook = lambda *_: track(3, 'late'); say('leaving'); raise ValueError",
    ),
    Path(
        name="excepthook-of-threads",
        row=49,
        expects={"main": 7, "late": 3},
        program="""
        track(7)
        threading.excepthook = lambda _: track(3, "late")
        def fall():
            raise ValueError
        thread = threading.Thread(target=fall); thread.start(); thread.join()
        say("leaving")
        """,
    ),
    Path(name="del-of-a-global", row=49, expects=SEVEN, program=f"{LATE}\nlate = Late(); track(7); say('leaving')"),
    Path(
        name="del-of-a-global-without-an-event-before",
        row=49,
        loses=True,
        program=f"{LATE}\nlate = Late(); say('leaving')",
    ),
    Path(
        name="del-of-a-circle",
        row=49,
        expects=SEVEN,
        program=f"{LATE}\nlate = Late(); late.itself = late; track(7); say('leaving')",
    ),
    Path(
        name="del-of-what-a-module-holds",
        row=49,
        expects=SEVEN,
        program=f"{LATE}\nsys.modules['late'] = Late(); os.late = Late(); track(7); say('leaving')",
    ),
    Path(
        name="del-of-a-threads-own",
        row=49,
        expects=SEVEN,
        program=f"""{LATE}
track(7)
own = threading.local()
def hold():
    own.late = Late()
    time.sleep(30)
threading.Thread(target=hold, daemon=True).start()
time.sleep(0.05)
say("leaving")
""",
    ),
    Path(
        name="del-while-events-are-tracked",
        row=49,
        expects={"main": 500, **{f"late-{number}": 1 for number in range(500)}},
        program="""
        class Late:
            def __init__(self, number):
                self.itself, self.number = self, number
            def __del__(self):
                track(1, f"late-{self.number}")
        gc.set_threshold(5)
        for number in range(500):
            Late(number)
            client.track("u", "E", {"a": [number]}, message_id=f"{TRIAL}/main/{number}")
        gc.collect()
        # CPython 3.12 cannot stand it if in its very last collection, which runs `__del__`s, another one is due.
        gc.set_threshold(700)
        say("leaving")
        """,
    ),
    Path(
        name="weakref-finalizer",
        row=49,
        program="""
        class Thing: pass
        thing = Thing()
        weakref.finalize(thing, track, 3, "late")
        track(7)
        say("leaving")
        """,
        expects=SEVEN,
        loses=True,
    ),
    Path(
        name="weakref-callback",
        row=49,
        program="""
        class Thing: pass
        thing = Thing()
        reference = weakref.ref(thing, lambda _, track=track: track(3, "late"))
        track(7)
        say("leaving")
        """,
        expects=SEVEN,
        loses=True,
    ),
    Path(
        name="generator-left-open",
        row=49,
        expects=SEVEN,
        loses=True,
        program="""
        def generate():
            try:
                yield
            finally:
                track(3, "late")
        generator = generate(); next(generator)
        track(7)
        say("leaving")
        """,
    ),
    Path(
        name="logging-handler-at-shutdown",
        row=49,
        expects=SEVEN,
        loses=True,
        program="""
        import logging
        class Telling(logging.Handler):
            def close(self):
                track(3, "late")
                super().close()
        logging.getLogger().addHandler(Telling())
        track(7)
        say("leaving")
        """,
    ),
    Path(
        name="daemon-after-close",
        row=49,
        expects=SEVEN,
        program="""
        def go_on():
            while True:
                track(1, "late")
        track(7)
        client.close()
        for _ in range(4):
            threading.Thread(target=go_on, daemon=True).start()
        time.sleep(0.05)
        say("leaving")
        """,
    ),
    Path(
        name="standard-streams-closed",
        row=49,
        expects=SEVEN,
        program="import logging; logging.basicConfig(); track(7); say('leaving'); sys.stdout.close(); os.close(1)",
    ),
    Path(
        name="signal-after-the-end-has-begun",
        row=49,
        endpoint="silent",
        program="""
        rung = []
        def ring(*_):
            rung.append(track(3, "late"))
            if len(rung) == 5:
                signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, ring)
        if not CONTROL:
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.02)
        track(7)
        say("leaving")
        """,
    ),
)
