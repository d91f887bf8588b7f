"""The public API as type checkers see it: held by mypy --strict and by pyright in strict mode, never run."""

from __future__ import annotations

from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sluiceway import (
    Amplitude,
    BatchReport,
    DeliveryError,
    FlushResult,
    Identify,
    OfflineRetryHandler,
    Payload,
    Plan,
    PostHog,
    Request,
    Response,
    Retry,
    RetryPolicy,
    Revenue,
    RudderStack,
    Segment,
    Stats,
    __version__,
    scope,
)


def told(error: DeliveryError | None, batch: BatchReport) -> None:
    """Take what a callback is told."""
    ids: list[str] = batch.ids
    if error is not None:
        reason: str = error.reason
        status: int | None = error.status
        print(reason, status, ids)


def redact(event: dict[str, Any]) -> dict[str, Any] | None:
    """Be a middleware."""
    return event if event["type"] == "track" else None


class Own:
    """Be a transport."""

    def send(self, request: Request) -> Response:
        """Answer."""
        return Response(status=len(request.body))

    def close(self) -> None:
        """Do nothing."""


client = Segment(
    "WRITE_KEY",
    region="eu",
    flush_at=50,
    flush_interval=5,
    on_full="block",
    block_timeout=1.5,
    retry=RetryPolicy(max_retries=3),
    middleware=[redact],
    on_error=told,
    transport=Own(),
)
accepted: bool = client.track("user-1", "Item Purchased", {"revenue": 39.95}, callback=told)
client.identify(42, MappingProxyType({"plan": "pro"}), timestamp=datetime.now(timezone.utc))
client.page(UUID(int=1), "Docs", "Start", message_id=UUID(int=2))
client.screen(anonymous_id="a", name="Start", timestamp=1_357_016_400)
client.group("user-1", "group-1", {"seats": 3}, timestamp="2013-01-01T05:00:00Z")
client.alias("before", "after")
result: FlushResult = client.flush(timeout=5, callback=told)
everything: bool = result.ok and result.delivered > 0
stats: Stats = client.stats()
refused: int = stats.refused.get("queue_full", 0)
version: str = __version__


async def serve() -> FlushResult:
    """Use a client on a loop."""
    async with Segment("WRITE_KEY") as other:
        other.track("user-1", "E")
        return await other.aflush(timeout=1.0)


with Segment("WRITE_KEY") as scoped:
    purged: int = scoped.purge()
    closed: FlushResult = scoped.close(timeout=1)

client.track([1], "E")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
client.track("u", "E", "text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Segment("WRITE_KEY", flush_after=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
Segment("WRITE_KEY", on_full="drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

rudder = RudderStack("WRITE_KEY", "https://plane.example.com/v1/batch", log_level="warn", max_event_bytes=64_000)
rudder.track("user-1", "Item Purchased", {"revenue": 39.95}, integrations={"All": False})
rudder.identify(42, {"plan": "pro"}, {"ip": "127.0.0.1"})
rudder.alias("before", "after")
RudderStack("WRITE_KEY")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

posthog = PostHog("KEY", region="eu", capture_mode="v1", super_properties={"app": "shop"}, retry_count=0)
posthog.capture("item purchased", distinct_id=7, properties={"revenue": 39.95}, groups={"company": "id:5"})
posthog.alias(distinct_id="user-1", alias="visitor-9")
posthog.group_identify("company", "id:5", {"seats": 3})
posthog.alias("user-1", "visitor-9")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def hand_on(payload: Payload, hand: Any) -> None:
    """Be a middleware of Amplitude's form."""
    hand(Payload(payload.event, payload.extra))


def retried(response: Response, attempt: int, is_last: bool) -> bool:
    """Take what on_retry is told."""
    return is_last and response.status == 429 and attempt > 3


handler: Retry = OfflineRetryHandler("KEY", max_cached_events=100)
amplitude: Amplitude = Amplitude.init(
    "KEY",
    server_zone="EU",
    min_id_length=3,
    plan=Plan(branch="main"),
    on_retry=retried,
    retry_timeouts=[100, 100, 200],
    log_level="error",
)
amplitude.add_event_middleware(hand_on).track("item purchased", user_id="user-1", price=3.5, extra={"any": object()})
amplitude.log_event({"event_type": "item purchased", "user_id": "user-1"}, None, told)
amplitude.identify("user-1", None, Identify().set_once("plan", "pro").add("purchases", 1))
amplitude.revenue(Revenue(price=3.99, quantity=2), user_id="user-1")
Amplitude.instance().track(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def scopes(client: Segment) -> None:
    """A decorated function keeps its type; what a scope is told has types of its own."""

    @scope(user_id="u1", anonymous_id=UUID(int=1), context=MappingProxyType({"a": 1}), groups={"company": 5})
    def work(number: int, *, text: str = "") -> list[int]:
        return [number]

    @scope(context={"job": "nightly"}, fresh=True)
    async def later(number: int) -> str:
        return str(number)

    found: list[int] = work(1, text="x")
    work("1")  # type: ignore[arg-type]
    carried: bool = scope.carry(client.track)("u1", "E")
    with scope(user_id=7) as opened:
        opened.update(user_id="u2")
        told: bool = scope.update(groups={"company": "c"})
        said: dict[str, Any] = scope.current()
    scope(user_id=1.5)  # type: ignore[arg-type]
    scope("u1")  # type: ignore[call-arg]
    print(found, carried, told, said, later)
