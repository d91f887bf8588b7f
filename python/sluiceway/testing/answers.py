"""What the receiver answers: an `Answer` for each request, and the words in which the vendors say it.

A script's entry may be an answer, a bare status, or a function of the arriving request that returns one of them.
`answers.amplitude_throttled(users=["user-1"])` and its like are such entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from sluiceway.testing.arriving import Arriving

Reset: TypeAlias = Literal[False, "before", "during", "after"]


class Answer(msgspec.Struct, frozen=True):
    """One answer of the receiver; the plain one is `200` in the words of the vendor.

    A `body` of None is what the vendor says with this status. `delay` is in seconds and passes before the first byte of
    the answer. `reset` cuts the connection with a TCP reset instead of answering: "before" the body of the request is
    read, "during" it (after half of it), or "after" it has been read and kept. `cut_bytes` sends that many bytes of the
    answer and then resets: such a request counts as not acknowledged, whatever the client makes of it. `drip_seconds`
    pauses between any two bytes of the answer, which no time limit on a single read will notice.
    """

    status: int = 200
    headers: dict[str, str] = {}
    body: bytes | None = None
    delay: float = 0.0
    reset: Reset = False
    cut_bytes: int | None = None
    drip_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what would only show much later, on a thread of the receiver.

        Raises ValueError.
        """
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be 200 to 599, not {self.status}")
        if self.reset not in (False, "before", "during", "after"):
            raise ValueError('reset must be False, "before", "during" or "after"')
        if self.delay < 0 or self.drip_seconds < 0:
            raise ValueError("delay and drip_seconds are seconds from 0")

    @property
    def told(self) -> int | None:
        """The status that the client is told in a whole answer; None when the connection is cut."""
        return None if self.reset or self.cut_bytes is not None else self.status

    def saying(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Return this answer with a body and headers for those that it does not say."""
        if self.body is not None:
            return self
        return msgspec.structs.replace(self, headers={**(headers or {}), **self.headers}, body=body)

    def instead(self, refusal: Answer) -> Answer:
        """Return a refusal that comes as slowly, or as broken, as this answer would have."""
        return msgspec.structs.replace(
            refusal, delay=self.delay, reset=self.reset, cut_bytes=self.cut_bytes, drip_seconds=self.drip_seconds
        )


Reply: TypeAlias = "Answer | int | Computed"
"""One entry of a script: an answer, a bare status, or what computes one."""

Computed: TypeAlias = Callable[[Arriving], Reply]
"""A reply that depends on the request: its head is there at once, asking for its events reads the rest."""


def plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in plain text, as RudderStack and PostHog's batch route give."""
    return Answer(status, {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}, text.encode())


def document(status: int, said: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON, as Amplitude and PostHog's capture V1 give."""
    return Answer(status, {"Content-Type": "application/json", **(headers or {})}, msgspec.json.encode(said))


# -- Amplitude


def amplitude_error(status: int, error: str, **further: Any) -> Answer:
    """An error of Amplitude's; `further` are keys beside `code` and `error`."""
    return document(status, {"code": status, "error": error, **further})


def amplitude_invalid(
    invalid: Mapping[str, Sequence[int]] | None = None,
    *,
    missing: Mapping[str, Sequence[int]] | None = None,
    id_lengths: Mapping[str, Sequence[int]] | None = None,
) -> Answer:
    """400 with the indices of the events at fault, by field: nothing of the request was taken."""
    said: dict[str, Any] = {
        "events_with_invalid_fields": dict(invalid or {}),
        "events_with_missing_fields": dict(missing or {}),
    }
    error = "Invalid field values on some events" if invalid else "Request missing required field"
    if id_lengths:
        said["events_with_invalid_id_lengths"] = dict(id_lengths)
        error = error if invalid or missing else "Invalid id length for user_id or device_id"
    return amplitude_error(400, error, **said)


def amplitude_missing(field: str) -> Answer:
    """400 for a request without a field that it needs as a whole: `api_key` or `events`."""
    return amplitude_error(400, "Request missing required field", missing_field=field)


def amplitude_bad_key() -> Answer:
    """400 for a key that belongs to no project."""
    return amplitude_error(400, "Invalid API key: the key of no project")


def amplitude_silenced(devices: Sequence[str], events: Sequence[int]) -> Answer:
    """400 for devices whose events Amplitude does not want any more."""
    return amplitude_error(
        400,
        "Events silenced for device_id",
        eps_threshold=_EPS_THRESHOLD,
        silenced_devices=list(devices),
        silenced_events=list(events),
        throttled_devices={},
        throttled_events=[],
        exceeded_daily_quota_devices={},
    )


_EPS_THRESHOLD = 30  # events a second of one user or device, on HTTP V2


def amplitude_throttled(
    users: Iterable[str] = (),
    devices: Iterable[str] = (),
    events: Sequence[int] | None = None,
    *,
    quota_users: Iterable[str] = (),
    quota_devices: Iterable[str] = (),
) -> Reply:
    """429 for users and devices that send too much; those of `quota_…` have none left for today.

    Without `events`, the indices are those of the arriving request whose user or device is among the throttled ones.
    """
    throttled_users, throttled_devices = dict.fromkeys(users, 31), dict.fromkeys(devices, 31)
    over = {
        "exceeded_daily_quota_users": dict.fromkeys(quota_users, 500_001),
        "exceeded_daily_quota_devices": dict.fromkeys(quota_devices, 500_001),
    }

    def answer(arriving: Arriving) -> Answer:
        indices = events
        if indices is None:
            indices = [
                at
                for at, event in enumerate(arriving.batch)
                if event.get("user_id") in throttled_users or event.get("device_id") in throttled_devices
            ]
        return amplitude_error(
            429,
            "Too many requests for some devices and users",
            eps_threshold=_EPS_THRESHOLD,
            throttled_users=throttled_users,
            throttled_devices=throttled_devices,
            throttled_events=list(indices),
            **over,
        )

    return answer


# -- PostHog


Result: TypeAlias = Literal["ok", "warning", "drop", "retry"]

_DETAILS = {"warning": "person_processing_disabled", "drop": "rejected", "retry": "not_persisted"}


def posthog_results(results: Mapping[str | int, Result | tuple[Result, str]]) -> Reply:
    """200 of capture V1 with a result for each event: what `results` says, by uuid or by index, and ok for the others.

    A result may come with its detail; without one it is the commonest of its kind.
    """

    def answer(arriving: Arriving) -> Answer:
        said = {event["uuid"]: posthog_result("ok") for event in arriving.batch}
        uuids = list(said)
        for which, result in results.items():
            uuid = which if isinstance(which, str) else uuids[which]
            said[uuid] = posthog_result(*((result,) if isinstance(result, str) else result))
        again = any(result["result"] == "retry" for result in said.values())
        return document(200, {"results": said}, {"Retry-After": "1"} if again else None)

    return answer


def posthog_result(result: Result, detail: str = "") -> dict[str, str]:
    """What capture V1 says of one event."""
    detail = detail or _DETAILS.get(result, "")
    return {"result": result, "details": detail} if detail else {"result": result}


def posthog_error(status: int, tag: str, description: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An error of capture V1, which concerns the whole request."""
    said = {"error": tag, "error_description": description or tag, "error_uri": "https://posthog.com/docs/api"}
    return document(status, said, headers)
