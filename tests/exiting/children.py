"""Row 41: children of multiprocessing and of fork that end. What they accepted arrives, and so does the parent's."""

from __future__ import annotations

import textwrap

from exiting.path import Path

BOTH = {"main": 7, "child": 5}


def started_by(method: str, name: str, work: str, **more: object) -> Path:
    """Return a path with a child of multiprocessing, which does the work and ends as that does."""
    program = f"""
def child():
{textwrap.indent(textwrap.dedent(work).strip(), "    ")}
if __name__ == "__main__":
    import multiprocessing
    track(7)
    process = multiprocessing.get_context({method!r}).Process(target=child)
    process.start()
    process.join()
    say("leaving")
    sys.exit(process.exitcode)
"""
    return Path(name=f"{method}-{name}", row=41, expects=BOTH, program=program, **more)  # type: ignore[arg-type]


def worked_by(method: str, pool: str) -> str:
    return f"""
def child():
    track(5, "child")
if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context({method!r})
    track(7)
    {pool}
    say("leaving")
"""


POOL = "pool = context.Pool(1); pool.apply(child); pool.close(); pool.join()"
EXECUTOR = """from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(1, mp_context=context) as executor: executor.submit(child).result()"""

METHODS = ("fork", "spawn", "forkserver")

PATHS = (
    *(started_by(method, "child-ends", "track(5, 'child')") for method in METHODS),
    *(started_by(method, "child-exits", "track(5, 'child'); sys.exit(3)") for method in METHODS),
    *(started_by(method, "child-raises", "track(5, 'child'); raise ValueError('of a child')") for method in METHODS),
    started_by("fork", "child-with-a-client-of-its-own", "track(5, 'child', make())"),
    Path(
        name="fork-child-after-multiprocessing-was-first-used",
        row=41,
        expects={"main": 7, "child": 5, "second": 5},
        program="""
        import multiprocessing
        context = multiprocessing.get_context("fork")
        for who in ("child", "second"):
            process = context.Process(target=track, args=(5, who)); process.start(); process.join()
        track(7)
        say("leaving")
        """,
    ),
    Path(
        name="fork-grandchild",
        row=41,
        expects={**BOTH, "grandchild": 3},
        program="""
        import multiprocessing
        context = multiprocessing.get_context("fork")
        def child():
            track(5, "child")
            process = context.Process(target=track, args=(3, "grandchild")); process.start(); process.join()
        track(7)
        process = context.Process(target=child); process.start(); process.join()
        say("leaving")
        """,
    ),
    *(Path(name=f"{method}-pool", row=41, expects=BOTH, program=worked_by(method, POOL)) for method in METHODS),
    *(Path(name=f"{method}-executor", row=41, expects=BOTH, program=worked_by(method, EXECUTOR)) for method in METHODS),
    Path(
        name="fork-child-terminated",
        row=41,
        expects={"main": 7},
        loses=True,
        program="""
        import multiprocessing
        def child():
            track(5, "child"); time.sleep(30)
        track(7)
        process = multiprocessing.get_context("fork").Process(target=child); process.start()
        time.sleep(0.05)
        process.terminate(); process.join()
        say("leaving")
        """,
    ),
    Path(
        name="os-fork-child-exits",
        row=41,
        expects=BOTH,
        program="""
        track(7)
        if not (pid := os.fork()):
            track(5, "child")
            sys.exit(3)
        status = os.waitpid(pid, 0)[1]
        say("leaving")
        sys.exit(os.waitstatus_to_exitcode(status))
        """,
    ),
    Path(
        name="os-fork-child-that-never-uses-the-client",
        row=41,
        expects={"main": 7},
        program="""
        track(7)
        if not (pid := os.fork()):
            sys.exit(3)
        status = os.waitpid(pid, 0)[1]
        say("leaving")
        sys.exit(os.waitstatus_to_exitcode(status))
        """,
    ),
    Path(
        name="os-fork-child-that-collects-the-client",
        row=40,
        expects={"main": 7},
        program="""
        track(7)
        if not (pid := os.fork()):
            del client
            gc.collect()
            sys.exit(3)
        status = os.waitpid(pid, 0)[1]
        track(0)
        say("leaving")
        sys.exit(os.waitstatus_to_exitcode(status))
        """,
    ),
    Path(
        name="os-fork-in-a-thread",
        row=41,
        expects=BOTH,
        program="""
        track(7)
        codes = []
        def fork():
            if not (pid := os.fork()):
                track(5, "child")
                client.close(20)
                os._exit(3)
            codes.append(os.waitpid(pid, 0)[1])
        thread = threading.Thread(target=fork); thread.start(); thread.join()
        say("leaving")
        sys.exit(os.waitstatus_to_exitcode(codes[0]))
        """,
    ),
    Path(
        name="daemonized-after-a-flush",
        row=41,
        expects={"main": 7, "daemon": 5},
        program="""
        track(7)
        client.flush(20)
        if os.fork():
            os._exit(0)
        os.setsid()
        if os.fork():
            os._exit(0)
        track(5, "daemon")
        """,
    ),
)
