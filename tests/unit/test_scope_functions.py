"""Where a scope is open: around functions of every kind, across await, in threads that got it, and nowhere else."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import random
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluiceway import Segment, scope
from sluiceway.testing import MemoryTransport


def user() -> str | None:
    """Whose scope is open here."""
    return scope.current().get("user_id")


@pytest.fixture(autouse=True)
def none_is_left_open() -> Iterator[None]:
    assert scope.current() == {}
    yield
    assert scope.current() == {}


# -- decorators


def test_a_function_keeps_its_name_its_signature_and_its_answer() -> None:
    @scope(user_id="u1")
    def work(first: int, *, second: str = "x") -> str:
        """Does it."""
        return f"{user()} {first} {second}"

    assert work(1) == "u1 1 x"
    assert (work.__name__, work.__doc__) == ("work", "Does it.")
    assert str(inspect.signature(work)) == "(first: 'int', *, second: 'str' = 'x') -> 'str'"


def test_a_function_may_raise_and_call_itself() -> None:
    @scope(user_id="u1")
    def work(depth: int) -> list[str | None]:
        if not depth:
            raise LookupError
        scope.update(user_id=f"u{depth}")
        with pytest.raises(LookupError):
            work(0)
        return [user(), *(work(depth - 1) if depth > 1 else [])]

    assert work(3) == ["u3", "u2", "u1"]


def test_each_call_has_a_scope_of_its_own() -> None:
    @scope(context={"n": 0})
    def work(name: str, meet: threading.Barrier) -> Any:
        scope.update(user_id=name)
        meet.wait(20)
        return user()

    meet = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, ["one", "two"], [meet, meet])) == ["one", "two"]


def test_methods_partials_and_callable_objects() -> None:
    class Handler:
        @scope(user_id="method")
        def handle(self) -> str | None:
            return user()

        @classmethod
        @scope(user_id="class")
        def make(cls) -> str | None:
            return user()

        async def __call__(self) -> str | None:
            await asyncio.sleep(0)
            return user()

    async def work(_: int) -> str | None:
        await asyncio.sleep(0)
        return user()

    assert (Handler().handle(), Handler.make()) == ("method", "class")
    assert asyncio.run(scope(user_id="object")(Handler())()) == "object"
    assert asyncio.run(scope(user_id="partial")(functools.partial(work, 1))()) == "partial"
    assert scope(user_id="built-in")(len)([1]) == 1


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="goes around a function"):
        scope(user_id="u1")(dict)
    with pytest.raises(TypeError, match="goes around a function"):
        scope(user_id="u1")(7)  # type: ignore[type-var]


def test_an_async_function_keeps_the_scope_for_its_own_life_only() -> None:
    @scope(user_id="u1")
    async def work() -> str | None:
        assert user() == "u1"
        await asyncio.sleep(0)
        return user()

    async def main() -> None:
        assert inspect.iscoroutinefunction(work)
        made = work()
        assert user() is None
        assert await made == "u1"
        assert user() is None
        async with scope_of("outer"):
            assert await asyncio.create_task(work()) == "u1"
            assert user() == "outer"

    asyncio.run(main())


@asynccontextmanager
async def scope_of(name: str) -> AsyncIterator[None]:
    with scope(user_id=name):
        yield


def test_a_cancelled_function_leaves_its_scope() -> None:
    async def main() -> None:
        @scope(user_id="u1")
        async def work() -> None:
            await asyncio.sleep(100)

        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(work(), 0.01)
        assert user() is None

    asyncio.run(main())


def numbers() -> Generator[str | None, Any, str]:
    scope.update(context={"seen": True})
    got = yield user()
    try:
        while got != "stop":
            with scope(user_id="within"):
                got = yield f"{user()} {got}"
    except LookupError as error:
        yield f"{user()} {type(error).__name__}"
    finally:
        ends.append(user())
    return f"end of {user()}"


ends: list[str | None] = []


def test_a_generator_has_its_scope_while_its_own_code_runs() -> None:
    ends.clear()
    made = scope(user_id="u1")(numbers)
    assert inspect.isgeneratorfunction(made)
    steps = made()
    with scope(user_id="outer"):
        assert next(steps) == "u1"
        assert user() == "outer"
        assert steps.send(1) == "within 1"
        assert user() == "outer"
    assert steps.send(2) == "within 2"
    assert user() is None
    with pytest.raises(StopIteration) as end:
        steps.send("stop")
    assert end.value.value == "end of u1"
    assert ends == ["u1"]


def test_a_generator_is_thrown_into_closed_and_collected_in_its_scope() -> None:
    ends.clear()
    made = scope(user_id="u1")(numbers)
    thrown = made()
    next(thrown)
    thrown.send(1)
    assert thrown.throw(KeyError("k")) == "u1 KeyError"
    assert user() is None
    thrown.close()
    closed = made()
    next(closed)
    closed.close()
    collected = made()
    next(collected)
    with scope(user_id="outer"):
        del collected
        gc.collect()
        assert user() == "outer"
    # A generator that stands at its first `yield` is not yet within the try.
    assert ends == ["u1"]
    delegating = scope(user_id="u2")(lambda: (yield from numbers()))()
    assert next(delegating) == "u2"
    delegating.close()


def test_two_generators_in_turn_do_not_mix() -> None:
    one, other = scope(user_id="u1")(numbers)(), scope(user_id="u2")(numbers)()
    said = [next(one), next(other), one.send(1), other.send(1), one.send(2), other.send(2), user()]
    assert said == ["u1", "u2", "within 1", "within 1", "within 2", "within 2", None]
    one.close()
    other.close()


def test_a_context_manager_made_of_a_generator() -> None:
    @contextmanager
    @scope(user_id="u1")
    def around() -> Iterator[str | None]:
        yield user()

    with around() as seen:
        assert (seen, user()) == ("u1", None)


def test_an_async_generator_has_its_scope_while_its_own_code_runs() -> None:
    ended = []

    @scope(user_id="u1")
    async def items() -> AsyncIterator[str | None]:
        try:
            while True:
                await asyncio.sleep(0)
                try:
                    yield user()
                except LookupError:
                    yield f"{user()} caught"
        finally:
            await asyncio.sleep(0)
            ended.append(user())

    async def main() -> None:
        assert inspect.isasyncgenfunction(items)
        steps: Any = items()
        with scope(user_id="outer"):
            assert await steps.__anext__() == "u1"
            assert user() == "outer"
        assert await asyncio.create_task(steps.asend(None)) == "u1"
        assert await steps.athrow(KeyError("k")) == "u1 caught"
        assert user() is None
        await steps.aclose()
        async for _ in items():
            assert user() is None
            break
        left: Any = items()
        await left.__anext__()
        del left
        for _ in range(20):  # what is left to the collector is closed in tasks of the loop's own
            await asyncio.sleep(0)
        finite = [one async for one in scope(user_id="u2")(three)()]
        assert finite == ["u2"] * 3

    asyncio.run(main())
    gc.collect()
    assert ended == ["u1"] * 3


async def three() -> AsyncIterator[str | None]:
    for _ in range(3):
        yield user()


# -- tasks


def test_a_task_inherits_and_does_not_leak_out() -> None:
    async def child() -> str | None:
        seen = user()
        with scope(user_id="child"):
            await asyncio.sleep(0)
            assert user() == "child"
        scope(user_id="left open").__enter__()
        return seen

    async def main() -> None:
        with scope(user_id="u1"):
            task = asyncio.create_task(child())
            with scope(user_id="u2"):
                assert await task == "u1"
                assert user() == "u2"
            assert await asyncio.to_thread(user) == "u1"
            assert await asyncio.get_running_loop().run_in_executor(None, user) is None
            late = asyncio.create_task(later(asyncio.Event()))
        assert await late == "u1"

    async def later(event: asyncio.Event) -> str | None:
        asyncio.get_running_loop().call_soon(event.set)
        await event.wait()
        return user()

    asyncio.run(main())


def test_a_login_in_a_dependency_is_seen_by_the_request_it_belongs_to() -> None:
    async def request(name: str, together: Callable[[], Awaitable[Any]]) -> list[str | None]:
        with scope(anonymous_id=f"a-{name}"):
            await together()
            await asyncio.to_thread(scope.update, user_id=name)
            await together()
            return [user(), scope.current()["anonymous_id"]]

    async def main() -> None:
        async def together() -> None:
            for _ in range(5):
                await asyncio.sleep(0)

        found = await asyncio.gather(*(request(f"u{number}", together) for number in range(8)))
        assert found == [[f"u{number}", f"a-u{number}"] for number in range(8)]

    asyncio.run(main())


_STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["track", "enter", "leave", "update"])), max_size=40)


@settings(max_examples=150, deadline=None)
@given(_STEPS)
def test_requests_that_take_turns_in_any_order_do_not_mix(steps: list[tuple[int, str]]) -> None:
    """Four requests as tasks of one loop, each told in turn what to do next; each knows what it should be seen as."""
    memory = MemoryTransport()

    async def request(number: int, orders: asyncio.Queue[str | None], client: Segment) -> None:
        expected: list[tuple[str, int]] = [(f"r{number}", 0)]
        opened: list[Any] = []
        with scope(user_id=f"r{number}", context={"depth": 0}):
            while (order := await orders.get()) is not None:
                name, depth = expected[-1]
                if order == "enter":
                    opened.append(scope(user_id=f"r{number}.{len(opened)}", context={"depth": depth + 1}))
                    opened[-1].__enter__()
                    expected.append((f"r{number}.{len(opened) - 1}", depth + 1))
                elif order == "leave" and opened:
                    opened.pop().__exit__(None, None, None)
                    expected.pop()
                elif order == "update":
                    scope.update(user_id=f"{name}+")
                    expected[-1] = (f"{name}+", depth)
                client.track(event=f"r{number}")
                event = memory.events[-1]
                assert (event["event"], event["userId"], event["context"]["depth"]) == (f"r{number}", *expected[-1])
                orders.task_done()
            while opened:
                opened.pop().__exit__(None, None, None)

    async def main() -> None:
        with Segment("key", transport=memory) as client:
            queues: list[asyncio.Queue[str | None]] = [asyncio.Queue() for _ in range(4)]
            tasks = [asyncio.create_task(request(number, queue, client)) for number, queue in enumerate(queues)]
            for number, order in steps:
                queues[number].put_nowait(order)
                if random.random() < 0.5:
                    await asyncio.sleep(0)
            for queue in queues:
                queue.put_nowait(None)
            await asyncio.gather(*tasks)

    asyncio.run(main())


# -- threads


def test_a_thread_sees_nothing_unless_it_is_given_it() -> None:
    seen: list[str | None] = []

    def look() -> None:
        seen.append(user())

    with scope(user_id="u1"):
        copied = contextvars.copy_context()
        for target in (look, scope.carry(look), functools.partial(copied.run, look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    scope.carry(look)()
    assert seen == [None, "u1", "u1", None]


def test_what_is_carried_is_the_scope_itself() -> None:
    with scope(user_id="u1"), ThreadPoolExecutor(1) as pool:
        carried = scope.carry(user)
        assert pool.submit(carried).result() == "u1"
        scope.update(user_id="u2")
        assert pool.submit(carried).result() == "u2"
        pool.submit(scope.carry(lambda: scope.update(user_id="u3"))).result()
        assert user() == "u3"
        assert pool.submit(user).result() is None
    assert carried() == "u3"
    with scope(user_id="other"):
        assert carried() == "u3"
        assert user() == "other"


def test_nothing_is_carried_where_no_scope_is_open() -> None:
    carried = scope.carry(user)
    with scope(user_id="u1"):
        assert carried() is None
        assert user() == "u1"


def test_one_scope_told_by_many_threads_loses_nothing() -> None:
    with scope(user_id="u1"):

        def tell(number: int) -> None:
            for turn in range(200):
                scope.update(context={f"{number}": turn})
                with scope(context={"inner": turn}):
                    assert scope.current()["context"]["inner"] == turn

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(scope.carry(tell), range(4)))
        assert scope.current()["context"] == {f"{number}": 199 for number in range(4)}
