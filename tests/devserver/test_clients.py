"""Our clients, pointed at the server under a prefix and at its root: what they send is delivered and told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .asking import Api, wait_for
from .made import VENDORS


def delivered(client: Any) -> int:
    """Flush; how many events the client has seen delivered in all."""
    client.flush(10)
    count: int = client.stats().delivered
    return count


PREFIXES = {name: f"/{'posthog' if name == 'capture' else name}" for name in VENDORS}


@pytest.mark.parametrize("at_root", [False, True])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_batch_is_delivered_and_told(
    api: Api, client: Callable[..., Any], tell: Callable[..., bool], vendor: str, at_root: bool
) -> None:
    one = client(vendor, "" if at_root else PREFIXES[vendor])
    for number in range(250):
        assert tell(one, "Item Purchased", f"user-{number % 5}", number=number)
    assert delivered(one) == 250
    rows = api.rows(of=250)
    assert {row["vendor"] for row in rows} == {"posthog" if vendor == "capture" else vendor}
    assert {(row["event"], row["verdict"], row["reason"], row["attempt"]) for row in rows} == {
        ("Item Purchased", "delivered", "", 1)
    }
    assert {row["user"] for row in rows} == {f"user-{number}" for number in range(5)}
    assert {row["library"].partition(" ")[0] for row in rows} == {"sluiceway"}
    assert all(not row["marks"] for row in rows)
    assert len({row["id"] for row in rows}) == 250
    counters = api.counters()
    assert (counters["events"], counters["stored"], counters["not_stored"]) == (250, 250, 0)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_client_without_a_thread_delivers_in_its_call(
    api: Api, client: Callable[..., Any], tell: Callable[..., bool], vendor: str
) -> None:
    one = client(vendor, PREFIXES[vendor], sync=True)
    assert tell(one, "Now")
    assert api.counters()["events"] == 1  # counted before the answer left
    assert [row["event"] for row in api.rows()] == ["Now"]


def test_gzip_is_read(api: Api, client: Callable[..., Any], tell: Callable[..., bool]) -> None:
    for vendor in VENDORS:
        one = client(vendor, PREFIXES[vendor], gzip=True)
        tell(one, "Packed", text="a text that packs well " * 40)
        assert delivered(one) == 1
    rows = api.rows(of=len(VENDORS))
    sent = [api.ask(f"requests/{row['request']}")["request"] for row in rows]
    assert all(request["nbytes_sent"] < request["nbytes"] for request in sent)


def test_calls_of_all_kinds_are_told_by_their_kind(api: Api, client: Callable[..., Any]) -> None:
    one = client("segment", "/segment")
    one.identify("user-1", {"plan": "pro"})
    one.page("user-1", name="Docs")
    one.screen("user-1", name="Cart")
    one.group("user-1", "team-1")
    one.alias("before", "user-1")
    assert delivered(one) == 5
    told = [(row["type"], row["event"]) for row in api.rows(of=5)]
    assert told == [("identify", ""), ("page", "Docs"), ("screen", "Cart"), ("group", "team-1"), ("alias", "before")]


def test_the_detail_of_an_event_has_its_request_and_a_test(api: Api, client: Callable[..., Any]) -> None:
    one = client("segment", "/segment")
    one.track("user-1", "Item Purchased", {"price": 39.95})
    one.flush(10)
    [row] = api.rows()
    detail = api.ask(f"events/{row['seq']}")
    assert '"price":39.95' in detail["json"]
    assert detail["row"] == row
    assert detail["request"]["status"] == 200
    assert detail["request"]["events"] == 1
    assert detail["request"]["client"].startswith("sluiceway/")
    assert [attempt["verdict"] for attempt in detail["attempts"]] == ["delivered"]
    assert "assert_tracked" in detail["pytest"]
    assert "39.95" in detail["pytest"]
    assert api.ask(f"requests/{row['request']}")["events"] == [row]


def test_a_filter_finds_what_it_asks_for(api: Api, client: Callable[..., Any], tell: Callable[..., bool]) -> None:
    for vendor, name, who in (("segment", "Alpha", "ann"), ("posthog", "Beta", "ben"), ("amplitude", "Gamma", "carol")):
        one = client(vendor, PREFIXES[vendor])
        tell(one, name, who, secret_word=f"in {name}")
        one.flush(10)
    api.rows(of=3)

    def names(query: str) -> list[str]:
        return [row["event"] for row in api.ask(f"events?{query}")["events"]]

    assert names("") == ["Gamma", "Beta", "Alpha"]
    assert names("vendor=posthog") == ["Beta"]
    assert names("event=alph") == ["Alpha"]
    assert names("user=CAROL") == ["Gamma"]
    assert names("text=in%20beta") == ["Beta"]
    assert names("type=capture") == ["Beta"]
    assert names("verdict=refused") == []
    first = api.ask("events?limit=1")
    assert first["more"]
    assert names(f"before={first['events'][0]['seq']}") == ["Beta", "Alpha"]
    assert names(f"after={first['events'][0]['seq'] - 1}") == ["Gamma"]
    assert api.try_to("events?verdict=fine")[0] == 400
    assert api.try_to("events?limit=many")[0] == 400


def test_clear_forgets_events_counters_and_ids(api: Api, client: Callable[..., Any], tell: Callable[..., bool]) -> None:
    one = client("segment", "/segment")
    tell(one, message="first")
    one.flush(10)
    [row] = api.rows()
    api.ask("clear", "POST")
    assert api.ask("events")["events"] == []
    assert (api.counters()["events"], api.counters()["requests"], api.counters()["stored"]) == (0, 0, 0)
    tell(one, message="second")
    one.flush(10)
    wait_for(lambda: bool(api.ask("events")["events"]))
    assert api.rows()[0]["seq"] > row["seq"]  # a number means one event, whatever was forgotten
