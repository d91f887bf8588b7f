"""A secret shows at most its last four characters, whatever one does to it."""

from __future__ import annotations

import copy
import pickle

import pytest

from sluiceway.errors import SluicewayError
from sluiceway.secret import Secret

CANARY = "canarycanarycanary7f3d"


@pytest.mark.parametrize(
    "look",
    [
        repr,
        str,
        "{}".format,
        "{:>40}".format,
        lambda secret: f"{secret!r}",
        lambda secret: repr([secret, {"key": secret}]),
        lambda secret: pickle.dumps(secret).decode("latin-1"),
        lambda secret: repr(getattr(secret, "__dict__", {})),
        lambda secret: repr(secret.__reduce__()),
    ],
)
def test_no_way_of_looking_shows_a_secret(look: object) -> None:
    shown = look(Secret(CANARY))  # type: ignore[operator]
    assert "canary" not in shown


def test_a_secret_shows_its_last_four_characters() -> None:
    assert repr(Secret(CANARY)) == "***7f3d"


def test_a_short_secret_shows_nothing() -> None:
    assert repr(Secret("elevenchars")) == "***"


def test_a_secret_reveals_itself_to_its_owner() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_a_pickled_secret_is_masked_and_cannot_be_revealed() -> None:
    thawed = pickle.loads(pickle.dumps(Secret(CANARY)))
    assert repr(thawed) == "***7f3d"
    with pytest.raises(SluicewayError):
        thawed.reveal()
    assert thawed != Secret("")


def test_a_copied_secret_is_the_same_secret() -> None:
    secret = Secret(CANARY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_secrets_are_equal_when_they_hold_the_same() -> None:
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret("another secret")
    assert Secret(CANARY) != CANARY
