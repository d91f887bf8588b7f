"""Row 48: the interpreter is taken down while senders wait, callbacks run and threads go on tracking."""

from __future__ import annotations

from exiting.path import Path

SEVEN = {"main": 7}
LOGGED = "import logging; logging.basicConfig()\n"
# So many daemon threads that go on for as long as there is an interpreter.
DAEMONS = """
def go_on():
    number = 0
    while True:
        {work}
        number += 1
for thread in range(4):
    threading.Thread(target=go_on, daemon=True).start()
time.sleep(0.1)
"""


def daemons(name: str, work: str, **more: object) -> Path:
    """Return a path that ends while daemon threads repeat something."""
    program = f"track(7)\n{DAEMONS.format(work=work)}\nsay('leaving')\nsys.exit(3)"
    return Path(name=name, row=48, program=program, **more)  # type: ignore[arg-type]


TRACKING = "client.track('u', 'E', message_id=f'{TRIAL}/{threading.get_ident()}/{number}') or time.sleep(0.001)"

PATHS = (
    Path(name="stuck", row=48, endpoint="silent", program="track(7); time.sleep(0.1); say('leaving'); sys.exit(3)"),
    Path(
        name="stuck-and-logged",
        row=48,
        endpoint="silent",
        lines=1,
        program=f"{LOGGED}track(7); time.sleep(0.1); say('leaving'); sys.exit(3)",
    ),
    Path(name="stuck-with-no-time", row=48, endpoint="silent", exit_timeout=0.0, program="track(7); say('leaving')"),
    Path(
        name="stuck-three-clients",
        row=48,
        endpoint="silent",
        program="more = [make() for _ in range(3)]\nfor each in (client, *more): track(7, by=each)\nsay('leaving')",
    ),
    Path(
        name="stuck-and-closed",
        row=48,
        endpoint="silent",
        exit_timeout=20.0,
        within=1.0,
        program="track(7); client.close(0.2); say('leaving'); sys.exit(3)",
    ),
    Path(
        name="stuck-in-an-exception",
        row=48,
        endpoint="silent",
        program="track(7); time.sleep(0.1); say('leaving'); raise ValueError('the end')",
    ),
    Path(name="refused", row=48, endpoint="refuses", program="track(7); time.sleep(0.1); say('leaving'); sys.exit(3)"),
    Path(
        name="refused-and-logged",
        row=48,
        endpoint="refuses",
        lines=1,
        program=f"{LOGGED}track(7); time.sleep(0.1); say('leaving'); sys.exit(3)",
    ),
    Path(
        name="backlog",
        row=48,
        expects={"main": 20_000},
        within=10.0,
        program="track(20_000); say('leaving'); sys.exit(3)",
    ),
    Path(
        name="callbacks-running",
        row=48,
        expects={"main": 20},
        program="""
        def tell(error, batch, told=[]):
            told.append(1)
            track(1, f"told-{len(told)}")
            time.sleep(0.01)
        track(20, callback=tell)
        say("leaving"); sys.exit(3)
        """,
        loses=True,
    ),
    Path(
        name="callback-that-never-returns",
        row=48,
        exit_timeout=0.7,
        within=0.7,
        expects=SEVEN,
        program="""
        track(7, callback=lambda error, batch: threading.Event().wait())
        wait_for(lambda: client.stats().delivered == 7)
        say("leaving"); sys.exit(3)
        """,
    ),
    Path(
        name="callbacks-that-raise-and-exit",
        row=48,
        expects={"main": 7, "more": 7},
        program="""
        def fail(error, batch):
            raise KeyboardInterrupt
        track(7, callback=fail)
        track(7, "more", callback=lambda error, batch: sys.exit(9))
        say("leaving"); sys.exit(3)
        """,
    ),
    Path(
        name="stuck-callbacks-told-of-the-shutdown",
        row=48,
        endpoint="silent",
        exit_timeout=1.0,
        program="""
        told = []
        def tell(error, batch):
            told.append(error.reason)
            if len(told) == 7:
                os.write(1, " ".join(told).encode())
        track(7, callback=tell)
        time.sleep(0.1)
        say("leaving"); sys.exit(3)
        """,
    ),
    daemons("daemons-track", TRACKING, expects=SEVEN, loses=True, options={"max_queue_events": 2_000}, within=10.0),
    daemons("daemons-track-stuck", TRACKING, endpoint="silent"),
    daemons(
        "daemons-wait-for-room",
        TRACKING,
        endpoint="silent",
        options={"on_full": "block", "max_queue_events": 20},
    ),
    daemons("daemons-flush", "client.flush(30)", endpoint="silent"),
    daemons("daemons-close", "client.close(30) or time.sleep(0.001)", endpoint="silent", within=1.0),
    daemons("daemons-ask", "client.stats(); client.purge(); repr(client)", loses=True),
    daemons("daemons-make-clients", "track(1, f'{threading.get_ident()}-{number}', make())", loses=True, within=20.0),
)
