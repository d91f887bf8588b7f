"""The error tree: what its errors say, and that they survive pickling."""

from __future__ import annotations

import pickle

import pytest

from sluiceway import errors
from sluiceway.errors import ConfigError, DeliveryError, InvalidEvent, QueueFull, SluicewayError


@pytest.mark.parametrize("error", [ConfigError, InvalidEvent, QueueFull, DeliveryError])
def test_every_error_is_a_sluiceway_error(error: type[Exception]) -> None:
    assert issubclass(error, SluicewayError)


def test_the_drawn_tree_names_every_public_error() -> None:
    public = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    drawn = errors.__doc__ or ""
    assert public == {name for name in public if name in drawn}


def test_wrong_options_and_events_are_value_errors_too() -> None:
    assert issubclass(ConfigError, ValueError)
    assert issubclass(InvalidEvent, ValueError)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError("flush_at", "must be an int"), "flush_at must be an int"),
        (InvalidEvent("event", "is required"), "event is required"),
        (DeliveryError("rejected", "no", 400, "refused"), "rejected (sent: no, status 400): refused"),
        (DeliveryError("expired", "maybe"), "expired (sent: maybe)"),
    ],
)
def test_an_error_says_the_same_after_pickling(error: Exception, text: str) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == text
    assert vars(copy) == vars(error)
