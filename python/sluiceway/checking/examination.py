"""All checks in their order, each within the deadline; what one of them finds missing spares those that need it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple
from uuid import uuid4

from sluiceway.checking import (
    answering,
    environment,
    handshake,
    installation,
    keyform,
    permission,
    probes,
    reaching,
    spooling,
)
from sluiceway.checking.deadlines import Deadline
from sluiceway.checking.finding import Finding, fail, skipped, worst
from sluiceway.checking.probes import Probe
from sluiceway.checking.target import Target
from sluiceway.secret import Secret
from sluiceway.transport import TransportError

_NO_TIME = "no time was left for it"


class Key(NamedTuple):
    """The key that was found, or why there is none."""

    value: Secret | None
    source: str = ""
    readable_by_others: bool = False
    problem: str = ""


class Examination:
    """One run of the checks. `findings` makes them one by one, so that each can be shown when it is there."""

    def __init__(
        self,
        target: Target,
        key: Key,
        *,
        probe: bool = False,
        spool_dir: str | None = None,
        seconds: float = 30.0,
        announce: Callable[[list[Probe]], None] = lambda probes: None,
    ) -> None:
        """`announce` is told what `--probe` will send, before anything of it is sent. Raises nothing, opens nothing."""
        self.target = target
        self.deadline = Deadline(seconds)
        self._key = key
        self._probe = probe
        self._spool_dir = spool_dir
        self._announce = announce
        self._may_be_sent = False

    def findings(self) -> Iterator[Finding]:
        """Make every check. Blocks until the deadline at most, and for a disk that hangs."""
        yield from self._key_form()
        yield from installation.look()
        yield from environment.look(self.target)
        reaches = yield from self._network()
        yield from self._permission(reaches)
        if self._spool_dir is None:
            yield skipped("spool", "no --spool-dir was given")
        else:
            yield spooling.look(self._spool_dir)

    def _key_form(self) -> Iterator[Finding]:
        key = self._key
        if key.value is None:
            yield fail("key", key.problem, "Without one, everything but the permission is checked.")
        else:
            found = keyform.look(
                self.target.page.name, key.value, key.source, readable_by_others=key.readable_by_others
            )
            # What is no key of this vendor's may be a secret of somebody else's: it is sent to nobody.
            self._may_be_sent = worst(found) != "fail"
            yield from found

    def _network(self) -> Generator[Finding, None, bool]:
        """Yield the findings from the name to the answer; returns whether there was an answer."""
        endpoint, proxy = self.target.options.endpoint, self.target.options.proxy
        host, port = (proxy.host, proxy.port) if proxy is not None else (endpoint.host, endpoint.port)
        found, said = reaching.names(host, port, self.deadline)
        yield said
        if not found:
            yield from _spared("the name has no address", "tcp", "proxy", "tls", "http", "clock")
            return False
        reached = reaching.connect(found, self.deadline)
        whom = f"the proxy {host}:{port}" if proxy is not None else f"{host}:{port}"
        yield reaching.judge(reached, whom)
        good = [entry for entry, one in zip(found, reached, strict=True) if not one.error]
        if not good:
            yield from _spared("there is no connection", "proxy", "tls", "http", "clock")
            return False
        if proxy is None:
            yield skipped("proxy", "none is used")
        broke = False
        for finding in self._secured(good):
            broke |= finding.level == "fail"
            yield finding
        if broke:
            yield from _spared("the way there is broken", "http", "clock")
            return False
        if self.deadline.has_passed:
            yield from _spared(_NO_TIME, "http", "clock")
            return False
        began = self.deadline.monotonic()
        response, said = answering.ask(self.target, self.deadline)
        yield said
        if response is None:
            yield skipped("clock", "there was no answer")
            return False
        yield answering.clock(self.target, response.headers, self.deadline.monotonic() - began)
        return True

    def _secured(self, good: list[Any]) -> Iterator[Finding]:
        if self.target.options.endpoint.scheme == "https":
            if self.deadline.has_passed:
                yield from _spared(_NO_TIME, "tls")
            else:
                yield from handshake.look(self.target, good, self.deadline)
            return
        yield from handshake.in_clear(self.target)
        if self.target.options.endpoint.is_loopback:
            yield skipped("tls", "the host is this machine, in clear")
        else:
            yield fail("tls", "the host is spoken to in clear: everybody on the way reads the key", "Use https.")

    def _permission(self, reaches: bool) -> Iterator[Finding]:
        why_not = self._why_no_probe(reaches)
        if why_not:
            yield from _spared(why_not, "permission", "gzip")
            return
        key = self._key.value
        assert key is not None  # _why_no_probe
        planned = probes.plan(self.target, key, now=time.time(), uuid=str(uuid4()))
        self._announce(planned)
        answers = self._send(planned)
        yield permission.permission(self.target, answers["permission"], now=time.time())
        if "gzip" in answers:
            yield permission.compressed(self.target, answers.get("plain", answers["permission"]), answers["gzip"])
        else:
            yield skipped("gzip", "the client compresses nothing for this vendor unless it is given gzip=True")

    def _why_no_probe(self, reaches: bool) -> str:
        if not self._probe:
            return "it takes a request with the key: --probe"
        if not self._may_be_sent:
            return "there is no key that could be sent"
        if not reaches:
            return "there is nobody to ask"
        return _NO_TIME if self.deadline.has_passed else ""

    def _send(self, planned: list[Probe]) -> Mapping[str, permission.Answer]:
        through = answering.transport(self.target)
        answers: dict[str, permission.Answer] = {}
        try:
            for probe in planned:
                try:
                    answers[probe.name] = through.send(probe.build(self.deadline.share()))
                except TransportError as error:
                    answers[probe.name] = error
        finally:
            through.close()
        return answers


def _spared(why: str, *checks: str) -> Iterator[Finding]:
    for check in checks:
        yield skipped(check, why)
