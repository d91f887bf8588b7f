"""A program that takes events in processes and threads of its own: `processes.py <way> <start method> <events>`.

It prints what a graceful end must deliver: `taken <number> <process>` for each event.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.util import Finalize

import shared


def take(n: int) -> None:
    """Take one event, and say so in one write, so that lines of several processes do not mix."""
    assert shared.track(n)
    os.write(1, f"taken {n} {os.getpid()}\n".encode())


def several(first: int, count: int, end: str = "") -> None:
    """Take some events and end in one way or another."""
    for n in range(first, first + count):
        take(n)
    if end == "exit":
        sys.exit(3)
    if end == "raise":
        raise ValueError("the end of a process")
    if end == "wait":
        time.sleep(60)
    if end == "late":
        # What a program registers there itself comes before ours, whenever it was registered.
        Finalize(None, take, args=(first + count,), exitpriority=0)
        Finalize(None, take, args=(first + count + 1,), exitpriority=-99)
    if end == "nested":
        context = multiprocessing.get_context(multiprocessing.get_start_method())
        inner = context.Process(target=several, args=(first + count, count))
        inner.start()  # nobody joins it but the exit of this process


def main(way: str, method: str, count: int) -> None:
    """Take `count` events in each of two processes, and one before and after in this one."""
    multiprocessing.set_start_method(method)
    take(0)
    firsts = [1000, 2000]
    if way in ("pool", "recycled"):
        with multiprocessing.Pool(2, maxtasksperchild=5 if way == "recycled" else None) as pool:
            pool.map(take, range(1000, 1000 + 2 * count), chunksize=2)
            pool.close()
            pool.join()
    elif way == "executor":
        with ProcessPoolExecutor(2) as executor:
            list(executor.map(take, range(1000, 1000 + 2 * count)))
    elif way == "threads":
        executor = ThreadPoolExecutor(4)  # left to the exit of the program
        for n in range(1000, 1000 + 2 * count):
            executor.submit(take, n)
    else:
        end = "" if way == "process" else way
        processes = [multiprocessing.Process(target=several, args=(first, count, end)) for first in firsts]
        for process in processes:
            process.start()
        if way == "wait":
            os.read(0, 1)  # the test says when
            for process in processes:
                process.terminate()
        for process in processes:
            process.join()
        os.write(1, f"codes {[process.exitcode for process in processes]}\n".encode())
    take(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
