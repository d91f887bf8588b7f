"""What a process does that shares a spool's directory with others; run by `test_owners`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
from pathlib import Path

from batches import all_adopted, batch, spool_in

from sluiceway.spool.disk import RealDisk


def hold(directory: str, name: str) -> None:
    """Store a batch and live until killed."""
    spool = spool_in(directory)
    assert spool.write(batch(name))
    print("stored", flush=True)
    sys.stdin.read()


def adopt(directory: str) -> None:
    """Take everything there is, when told to."""
    spool = spool_in(directory)
    print("ready", flush=True)
    sys.stdin.readline()
    for contents in all_adopted(spool):
        name = contents.events.split(b'"')[3].decode()
        print(name.rsplit("-", 1)[0])
    spool.close()


def opened() -> dict[str, str]:
    """What this process has open, by number."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that lists them
            found[name] = os.readlink(f"/proc/self/fd/{name}")
    return found


def locks(directory: str) -> list[bool]:
    """Whether each lock file can be locked by somebody new."""
    free = []
    for path in Path(directory).glob("v1/*/lock"):
        with path.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free.append(False)
            else:
                free.append(True)
    return free


def fork(directory: str) -> None:
    """A child has copies of the descriptors. It closes them; the parent's lock holds until the parent lets go."""
    spool = spool_in(directory)
    entry = spool.write(batch("parents"))
    assert entry is not None
    before = set(opened())
    reader, writer = os.pipe()
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        spool.after_fork()
        os.close(writer)
        left = [path for name, path in opened().items() if name in before]
        if not any(directory in path for path in left):
            print("child-keeps-nothing", flush=True)
        if spool.write(batch("childs")) is None and not spool.remove(entry) and spool.adopt() == (0, 0):
            spool.close()
            print("child-is-dead", flush=True)
        os.write(tell, b".")
        os.read(reader, 1)  # until the parent has closed its spool
        os._exit(0)
    os.close(reader)
    assert os.read(told, 1)  # the child's spool is closed by now
    still_owns = locks(directory) == [False] and spool.read(entry) == batch("parents")
    print("parent-still-owns" if still_owns else "parent lost its lock", flush=True)
    spool.close()
    # The child lives, and holds no copy of the lock.
    print("orphans-lock-is-free" if locks(directory) == [True] else "a copy holds the lock", flush=True)
    os.close(writer)
    os.waitpid(child, 0)


def fork_inside(directory: str) -> None:
    """A thread is inside a sync, with the turn held, when another forks; the child must not wait for that thread."""
    inside = threading.Event()
    go_on = threading.Event()

    class Slow(RealDisk):
        def sync_data(self, descriptor: int) -> None:
            inside.set()
            assert go_on.wait(30)

    spool = spool_in(directory, disk=Slow())
    writer = threading.Thread(target=spool.write, args=(batch("parents"),))
    writer.start()
    assert inside.wait(30)
    child = os.fork()
    if child == 0:
        answers = (spool.write(batch("childs")), spool.adopt(), spool.sync(), spool.next_adopted())
        spool.close()
        spool.after_fork()
        own = spool_in(directory)
        if answers == (None, (0, 0), False, None) and own.write(batch("childs")) is not None:
            print("child-went-on", flush=True)
        own.close()
        os._exit(0)
    os.waitpid(child, 0)
    go_on.set()
    writer.join()
    if spool.files == 1:
        print("parent-went-on")
    spool.close()


if __name__ == "__main__":
    {"hold": hold, "adopt": adopt, "fork": fork, "fork-inside": fork_inside}[sys.argv[2]](sys.argv[1], *sys.argv[3:])
