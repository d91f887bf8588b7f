"""Scopes: say once who acts and in which context, and each event made inside says so, across await and copied threads.

    with scope(user_id="u1", context={"ip": "203.0.113.7"}):
        client.track(event="Item Purchased")       # of u1, from there

The innermost scope is a context variable's value, so tasks, threads that copy the context and greenlets each see the
one they were started in. Which vendor takes what is on the vendor's page (``Field.scope``; docs/scope.md has a table).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import update_wrapper
from types import TracebackType
from typing import Any, TypeVar, cast

from sluiceway import client, inheriting
from sluiceway.events import Id
from sluiceway.inheriting import ANONYMOUS, CONTEXT, GIVEN, GROUPS, USER, Given, Parts
from sluiceway.values import Plain

# None, like nothing at all, is no scope.
SCOPE: ContextVar[OpenScope | None] = cast("Any", client.SCOPE)

_Function = TypeVar("_Function", bound=Callable[..., Any])


class OpenScope(client.Scoped):
    """A scope that is open: what ``with scope(…) as request_scope`` gives."""

    __slots__ = ("_before", "_scope")

    _before: OpenScope | None
    """What was open when it was opened."""
    _scope: Scope
    """Whose `with` it is."""

    def update(
        self,
        *,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        context: Mapping[str, Any] | None = None,
        groups: Mapping[str, Id] | None = None,
    ) -> None:
        """Say more in this scope, for the events made in it from now on, wherever they are made.

        Ids replace, context and groups are merged key by key, None changes nothing. Another user id takes the anonymous
        id away, unless it is given too. Raises InvalidEvent. Never blocks; safe from any thread.
        """
        more = inheriting.freeze(user_id, anonymous_id, context, groups)
        while True:
            was = self.parts
            inherited = _said(self.outer)
            if self.replace(was, inheriting.parts(inherited, inheriting.add(was[GIVEN], more)), inherited):
                return

    def settled(self) -> Parts:
        """Return what it says, after all that outer scopes were told since it was opened."""
        while not self.is_settled:
            # From the outermost inwards, and not by calling itself: there may be more of them than Python nests calls.
            # Those that say what they should are left alone, for others inherit from them as they are.
            line: list[client.Scoped] = [self]
            while (outer := line[-1].outer) is not None:
                line.append(outer)
            for outer, inner in zip(reversed(line), reversed(line[:-1]), strict=False):
                was, inherited = inner.parts, outer.parts
                if inner.inherited is not inherited:
                    inner.replace(was, inheriting.parts(inherited, was[GIVEN]), inherited)
        return self.parts

    def __repr__(self) -> str:
        """Tell nothing of what it says."""
        return "<sluiceway scope, open>"

    def __reduce__(self) -> Any:
        raise TypeError("an open scope belongs to its process: hand over what scope.current() returns")


class Scope:
    """What `scope` returns: enter it with ``with``, or decorate functions with it; any number of times."""

    __slots__ = ("_fresh", "_given")

    def __init__(self, given: Given, *, fresh: bool) -> None:
        self._given = given
        self._fresh = fresh

    def __enter__(self) -> OpenScope:
        opened = self._open()
        SCOPE.set(opened)
        return opened

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The innermost of its own that is open here. In another context than it was opened in there is none, as when
        # the collector ends a generator: what is open there is somebody else's.
        opened = SCOPE.get(None)
        while opened is not None:
            if opened._scope is self:
                SCOPE.set(opened._before)
                return
            opened = opened._before

    def __call__(self, function: _Function) -> _Function:
        """Return the function with each of its calls in this scope; async functions and generators, too.

        The scope is open while their own code runs: not between two items of a generator, and not in whoever awaits.
        """
        return _around(function, self._open)

    def __repr__(self) -> str:
        """Tell nothing of what it says."""
        return "<sluiceway scope>"

    def _open(self) -> OpenScope:
        before = SCOPE.get(None)
        outer = None if self._fresh else before
        inherited = None if outer is None else outer.settled()
        opened = OpenScope(outer, inheriting.parts(inherited, self._given), inherited)
        opened._before = before
        opened._scope = self
        return opened


class Scopes:
    """The type of `scope`, of which there is one."""

    __slots__ = ()

    def __call__(
        self,
        *,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        context: Mapping[str, Any] | None = None,
        groups: Mapping[str, Id] | None = None,
        fresh: bool = False,
    ) -> Scope:
        """Return a scope: ``with scope(user_id="u1"): …``, or ``@scope(context={"job": "nightly"})``.

        Each event made inside, by any client, gets what its call does not say itself. A call that names a user or an
        anonymous id takes no id of the scope's; ``context`` and ``groups`` are merged key by key, and the call's
        entries win. None means absent, here as in calls. Scopes nest: an inner one inherits what it is not told, with
        ``fresh=True`` nothing. Ids are str, int or UUID; ``groups`` is ``{type: id}``.

        The values are checked and copied here; changing them later changes nothing. Raises InvalidEvent, naming the
        argument. Never blocks.
        """
        return Scope(inheriting.freeze(user_id, anonymous_id, context, groups), fresh=fresh)

    def update(
        self,
        *,
        user_id: Id | None = None,
        anonymous_id: Id | None = None,
        context: Mapping[str, Any] | None = None,
        groups: Mapping[str, Id] | None = None,
    ) -> bool:
        """Say more in the innermost open scope, as when a user logs in; return False where none is open.

        Tasks and threads that share the scope share what it is told. See `OpenScope.update`. Raises InvalidEvent.
        """
        opened = SCOPE.get(None)
        if opened is None:
            inheriting.freeze(user_id, anonymous_id, context, groups)
            return False
        opened.update(user_id=user_id, anonymous_id=anonymous_id, context=context, groups=groups)
        return True

    def carry(self, function: _Function) -> _Function:
        """Return the function with each of its calls in the scope that is open now: for threads and pools.

        ``pool.submit(scope.carry(work), item)``. `asyncio.to_thread` and tasks need no help.
        """
        opened = SCOPE.get(None)
        return _around(function, lambda: opened)

    def current(self) -> dict[str, Any]:
        """Return a copy of what the innermost scope says, as arguments of `scope`; empty where none is open.

        Plain values: ``scope(**scope.current())`` says the same in another process.
        """
        said = _said(SCOPE.get(None))
        if said is None:
            return {}
        given = {
            "user_id": said[USER],
            "anonymous_id": said[ANONYMOUS],
            "context": said[CONTEXT],
            "groups": said[GROUPS],
        }
        plain = Plain(2 * inheriting.MAX_BYTES)
        return {name: plain(value) for name, value in given.items() if value is not None}


scope = Scopes()
"""Open a scope, add to it, carry it into threads; see `Scopes`."""


def _said(opened: client.Scoped | None) -> Parts | None:
    return None if opened is None else cast("OpenScope", opened).settled()


def _around(function: _Function, begin: Callable[[], OpenScope | None]) -> _Function:
    """Put the scope that ``begin`` gives around the code of a function, of whichever kind it is."""
    if inspect.isclass(function) or not callable(function):
        raise TypeError(f"a scope goes around a function, not around {function!r}"[:200])
    code: Any = function if inspect.isroutine(function) or hasattr(function, "func") else type(function).__call__
    made: Any
    if inspect.isasyncgenfunction(code):
        made = _async_generator(function, begin)
    elif inspect.iscoroutinefunction(code):
        made = _coroutine(function, begin)
    elif inspect.isgeneratorfunction(code):
        made = _generator(function, begin)
    else:
        made = _plain(function, begin)
    return cast("_Function", update_wrapper(made, function))


def _plain(function: Callable[..., Any], begin: Callable[[], OpenScope | None]) -> Any:
    def in_scope(*arguments: Any, **named: Any) -> Any:
        before = SCOPE.get(None)
        SCOPE.set(begin())
        try:
            return function(*arguments, **named)
        finally:
            SCOPE.set(before)

    return in_scope


def _coroutine(function: Callable[..., Any], begin: Callable[[], OpenScope | None]) -> Any:
    async def in_scope(*arguments: Any, **named: Any) -> Any:
        before = SCOPE.get(None)
        SCOPE.set(begin())
        try:
            return await function(*arguments, **named)
        finally:
            SCOPE.set(before)

    return in_scope


def _generator(function: Callable[..., Any], begin: Callable[[], OpenScope | None]) -> Any:
    def in_scope(*arguments: Any, **named: Any) -> Any:
        steps = function(*arguments, **named)
        mine = begin()
        resume: Callable[[], Any] = lambda: next(steps)  # noqa: E731
        while True:
            before = SCOPE.get(None)
            SCOPE.set(mine)
            try:
                item = resume()
            except StopIteration as stop:
                return stop.value
            finally:
                # What it has opened and not closed is its own, until it goes on.
                mine = SCOPE.get(None)
                SCOPE.set(before)
            try:
                resume = _sending(steps, (yield item))
            except GeneratorExit:
                _in(mine, steps.close)
                raise
            except BaseException as error:
                resume = _throwing(steps, error)

    return in_scope


def _async_generator(function: Callable[..., Any], begin: Callable[[], OpenScope | None]) -> Any:
    async def in_scope(*arguments: Any, **named: Any) -> Any:
        steps = function(*arguments, **named)
        mine = begin()
        resume: Callable[[], Any] = steps.__anext__
        while True:
            before = SCOPE.get(None)
            SCOPE.set(mine)
            try:
                item = await resume()
            except StopAsyncIteration:
                return
            finally:
                mine = SCOPE.get(None)
                SCOPE.set(before)
            try:
                resume = _sending_later(steps, (yield item))
            except GeneratorExit:
                await _in_later(mine, steps.aclose)
                raise
            except BaseException as error:
                resume = _throwing_later(steps, error)

    return in_scope


def _sending(steps: Any, value: Any) -> Callable[[], Any]:
    return lambda: steps.send(value)


def _throwing(steps: Any, error: BaseException) -> Callable[[], Any]:
    return lambda: steps.throw(error)


def _sending_later(steps: Any, value: Any) -> Callable[[], Any]:
    return lambda: steps.asend(value)


def _throwing_later(steps: Any, error: BaseException) -> Callable[[], Any]:
    return lambda: steps.athrow(error)


def _in(opened: OpenScope | None, work: Callable[[], Any]) -> Any:
    before = SCOPE.get(None)
    SCOPE.set(opened)
    try:
        return work()
    finally:
        SCOPE.set(before)


async def _in_later(opened: OpenScope | None, work: Callable[[], Any]) -> Any:
    before = SCOPE.get(None)
    SCOPE.set(opened)
    try:
        return await work()
    finally:
        SCOPE.set(before)
