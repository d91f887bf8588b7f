"""From a name to a connection: what the name resolves to, and which of the addresses can be reached.

The look-up is the client's own, which can be given up. All addresses are tried at the same time, so that a black hole
does not hide what the others do; the client tries them in turn, which is what is said of a bad one.
"""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
from collections.abc import Sequence
from typing import Any, NamedTuple

from sluiceway.checking.deadlines import Deadline
from sluiceway.checking.finding import Finding, fail, ok, warn
from sluiceway.lookup import look_up

# A machine without IPv6 says so at once, at no cost: the kernel has no route.
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EHOSTUNREACH})
_MOST_SHOWN = 8


class Reached(NamedTuple):
    """One address: how long the connection took, or why there is none (an errno; ETIMEDOUT for no answer)."""

    family: int
    address: str
    seconds: float
    error: int

    def __str__(self) -> str:
        if self.error:
            return f"{self.address} {_word(self.error)}"
        return f"{self.address} in {self.seconds * 1000:.0f} ms"


def names(host: str, port: int, deadline: Deadline) -> tuple[list[Any], Finding]:
    """Resolve a host. Returns what `getaddrinfo` does, nothing where it fails, and what is to be said of it."""
    began = deadline.monotonic()
    try:
        found = look_up(host, port, deadline.share(), deadline.monotonic)
    except TimeoutError:
        return [], fail("dns", f"no answer for {host} in {deadline.monotonic() - began:.1f} s", _ASK_RESOLVER)
    except UnicodeError:
        return [], fail("dns", "the host is no name that can be looked up", "Correct the host.")
    except socket.gaierror as error:
        return [], _not_found(host, error)
    except OSError as error:
        return [], fail("dns", f"the look-up of {host} failed: {_word(error.errno)}", _ASK_RESOLVER)
    addresses = list(dict.fromkeys(entry[4][0] for entry in found))
    if addresses == [host]:
        return found, ok("dns", f"{host} is an address")
    took = (deadline.monotonic() - began) * 1000
    return found, ok("dns", f"{host} is {_listed(addresses)} (in {took:.0f} ms)")


_ASK_RESOLVER = "Look at the name servers of this machine (/etc/resolv.conf), and of the container."


def _not_found(host: str, error: socket.gaierror) -> Finding:
    if error.errno == socket.EAI_AGAIN:
        return fail("dns", f"the name servers have no answer for {host} now", _ASK_RESOLVER)
    return fail(
        "dns",
        f"there is no such name as {host}",
        "Correct the host; if it is right, this network has no name server that knows names outside, or a proxy is "
        "the only way out.",
    )


def connect(found: Sequence[Any], deadline: Deadline) -> list[Reached]:
    """Try every address at once, until the check's share of the deadline is over; each connection is closed again."""
    until = deadline.share()
    began = deadline.monotonic()
    reached: dict[int, Reached] = {}
    with contextlib.ExitStack() as opened, selectors.DefaultSelector() as selector:
        for index, (family, _, _, _, address) in enumerate(found):
            try:
                sock = opened.enter_context(socket.socket(family, socket.SOCK_STREAM))
                sock.setblocking(False)
                code = sock.connect_ex(address)
            except OSError as error:
                reached[index] = Reached(family, address[0], 0.0, error.errno or errno.EIO)
                continue
            if code in (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR):
                selector.register(sock, selectors.EVENT_WRITE, index)
            else:
                reached[index] = Reached(family, address[0], deadline.monotonic() - began, code)
        while selector.get_map() and (left := until - deadline.monotonic()) > 0:
            for key, _ in selector.select(left):
                sock, index = key.fileobj, key.data  # type: ignore[assignment]
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                reached[index] = Reached(found[index][0], found[index][4][0], deadline.monotonic() - began, code)
                selector.unregister(sock)
        for key in selector.get_map().values():
            reached[key.data] = Reached(
                found[key.data][0], found[key.data][4][0], deadline.monotonic() - began, errno.ETIMEDOUT
            )
    return [reached[index] for index in sorted(reached)]


def judge(reached: Sequence[Reached], whom: str) -> Finding:
    """Say what the connections mean for a client that tries the addresses in their order. Pure."""
    good = [one for one in reached if not one.error]
    shown = _listed([str(one) for one in reached])
    if not good:
        return fail("tcp", f"no connection to {whom}: {shown}", _why_not(reached))
    bad = [one for one in reached if one.error]
    if not bad:
        return ok("tcp", f"connected to {whom}: {shown}")
    if all(one.family == socket.AF_INET6 and one.error in _NO_ROUTE for one in bad):
        return ok(
            "tcp", f"connected to {whom}: {_listed([str(one) for one in good])}; no IPv6 here, which costs nothing"
        )
    if {one.family for one in bad} == {socket.AF_INET6} and {one.family for one in good} == {socket.AF_INET}:
        return warn(
            "tcp",
            f"IPv6 is broken, IPv4 works: {shown}",
            "Repair the IPv6 route, or prefer IPv4 in /etc/gai.conf: each new connection first waits for IPv6.",
        )
    return warn("tcp", f"some addresses of {whom} cannot be reached: {shown}", "Each new connection may wait for them.")


def _why_not(reached: Sequence[Reached]) -> str:
    errors = {one.error for one in reached}
    if errors == {errno.ECONNREFUSED}:
        return "Nobody listens there: is it the right host and port, and is the server up?"
    if errors & {errno.ETIMEDOUT}:
        return "A firewall drops it: have it opened for this host and port, or name the proxy that is the way out."
    return "There is no route: look at the network of this machine or container, or name the proxy that is the way out."


def _word(number: int | None) -> str:
    if number == errno.ETIMEDOUT:
        return "does not answer"
    if number == errno.ECONNREFUSED:
        return "refuses"
    return errno.errorcode.get(number or 0, f"error {number}")


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST_SHOWN
    return ", ".join(texts[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
