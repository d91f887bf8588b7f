"""Row 47: the ends that leave no time. What a flush had confirmed has arrived; of the rest nothing arrives twice."""

from __future__ import annotations

from signal import SIGKILL

from exiting.path import Path, Push

# Confirms five events at a time, for ever, and goes down with more on their way.
CONFIRMING = """
say("ready")
number = 0
while not CONTROL:
    track(5, f"round-{number}")
    if number % 2:
        if client.flush(20).ok:
            say("accepted", f"round-{number - 1}", 5)
            say("accepted", f"round-{number}", 5)
    number += 1
time.sleep(30)
"""

DYING = """
track(5, "before")
if CONTROL or client.flush(20).ok:
    say("accepted", "before", 0 if CONTROL else 5)
track(5, "after")
"""


def dying(name: str, last: str, **more: object) -> Path:
    """Return a path that ends by `last` with five events confirmed and five that are not."""
    return Path(name=name, row=47, loses=True, program=f"{DYING}\nsay('leaving')\n{last}", **more)  # type: ignore[arg-type]


PATHS = (
    Path(name="kill", row=47, loses=True, program=CONFIRMING, random_seconds=0.3, pushes=[Push("ready", SIGKILL)]),
    Path(
        name="kill-while-a-request-waits",
        row=47,
        loses=True,
        endpoint="silent",
        program="track(7); say('ready'); client.flush(30); time.sleep(30)",
        random_seconds=0.3,
        pushes=[Push("ready", SIGKILL, 0.1)],
    ),
    dying("os-exit", "os._exit(7)"),
    dying(
        "os-exit-in-a-thread",
        "threading.Thread(target=os._exit, args=(7,)).start()\ntime.sleep(30)",
    ),
    dying("abort", "os.abort()"),
    dying("segfault", "os.kill(os.getpid(), signal.SIGSEGV)\ntime.sleep(30)"),
    dying("exec", "os.execv(sys.executable, [sys.executable, '-c', 'raise SystemExit(7)'])"),
)
