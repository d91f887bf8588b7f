"""From columns to events: flags, a TOML file, and what each vendor makes of a kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sluiceway.testing import Receiver

from .conftest import Send, rejects_of

ROW: dict[str, Any] = {
    "what": "Bought", "who": "007-bond", "cookie": "c-12345", "when": "2024-03-01T12:00:00Z", "price": 9.5,
    "url": "https://example.com/a", "ip": "192.0.2.1", "mail": "a@example.com", "company": "acme-inc",
    "old": "old-id-1",
    "kind": "track", "secret": "x", "uid": "6f9619ff-8b86-4011-b42d-00cf4fc964ff",
}  # fmt: skip
BASE = ("--user-id", "who", "--timestamp", "when")


def sent(send_file: Send, place: Path, vendor: str, *flags: str, row: dict[str, Any] | None = None) -> dict[str, Any]:
    """Send one row; return it as it arrived."""
    path = place / "rows.jsonl"
    path.write_text(json.dumps(ROW if row is None else row))
    with Receiver(vendor=vendor) as receiver:
        run = send_file(path, "--to", vendor, "--host", receiver.url, "--restart", *flags)
        assert (run.code, receiver.violations) == (0, []), run.err + str(rejects_of(path, vendor))
        [event] = receiver.events
        return event


@pytest.mark.parametrize("vendor", ["segment", "rudderstack"])
def test_a_track_of_the_spec(send_file: Send, tmp_path: Path, vendor: str) -> None:
    event = sent(
        send_file, tmp_path, vendor, "--event", "what", *BASE, "--anonymous-id", "cookie",
        "--drop", "secret,kind,uid,old",
        "--context", "page.url=url,ip=ip", "--user-property", "email=mail",
    )  # fmt: skip
    assert (event["type"], event["event"], event["userId"], event["anonymousId"]) == (
        "track", "Bought", "007-bond", "c-12345",
    )  # fmt: skip
    assert event["properties"] == {"price": 9.5, "company": "acme-inc"}
    context = event["context"]
    assert (context["page"], context["ip"]) == ({"url": "https://example.com/a"}, "192.0.2.1")
    assert context["traits"] == {"email": "a@example.com"}


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        (("--type", "identify", "--property", "e=mail"), {"type": "identify", "traits": {"e": "a@example.com"}}),
        (
            ("--type", "page", "--event-name", "Home", "--category", "kind", "--property", "url=url"),
            {"type": "page", "name": "Home", "category": "track", "properties": {"url": "https://example.com/a"}},
        ),
        (("--type", "screen", "--event", "what", "--property", "p=price"), {"type": "screen", "name": "Bought"}),
        (
            ("--type", "group", "--group-id", "company", "--property", "p=price"),
            {"groupId": "acme-inc", "traits": {"p": 9.5}},
        ),
        (("--type", "alias", "--previous-id", "old"), {"previousId": "old-id-1", "userId": "007-bond"}),
        (("--type-column", "kind", "--event", "what"), {"type": "track", "event": "Bought"}),
    ],
)  # fmt: skip
def test_every_kind_of_the_spec(
    send_file: Send, tmp_path: Path, flags: tuple[str, ...], wanted: dict[str, Any]
) -> None:
    event = sent(send_file, tmp_path, "segment", *BASE, *flags)
    assert {key: event[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("flags", "wanted", "properties"),
    [
        (("--event", "what", "--property", "p=price"), {"event": "Bought", "distinct_id": "007-bond"}, {"p": 9.5}),
        (
            ("--event", "what", "--property", "p=price", "--user-property", "email=mail"),
            {"event": "Bought"},
            {"p": 9.5, "$set": {"email": "a@example.com"}},
        ),
        (
            ("--type", "identify", "--property", "email=mail", "--anonymous-id", "cookie"),
            {"event": "$identify"},
            {"$anon_distinct_id": "c-12345"},
        ),
        (("--type", "alias", "--previous-id", "old"), {"event": "$create_alias"}, {"alias": "old-id-1"}),
        (
            ("--type", "group", "--group-id", "company", "--group-type", "company", "--property", "p=price"),
            {"event": "$groupidentify", "distinct_id": "007-bond"},
            {"$group_type": "company", "$group_key": "acme-inc", "$group_set": {"p": 9.5}},
        ),
        (("--type", "page", "--property", "$current_url=url"), {"event": "$pageview"}, {"$current_url": ROW["url"]}),
    ],
)
def test_the_kinds_that_posthog_has(
    send_file: Send, tmp_path: Path, flags: tuple[str, ...], wanted: dict[str, Any], properties: dict[str, Any]
) -> None:
    event = sent(send_file, tmp_path, "posthog", *BASE, *flags)
    assert {key: event[key] for key in wanted} == wanted
    assert {key: event["properties"][key] for key in properties} == properties


def test_posthog_makes_no_person_of_an_anonymous_id(send_file: Send, tmp_path: Path) -> None:
    event = sent(send_file, tmp_path, "posthog", "--event", "what", "--anonymous-id", "cookie", "--timestamp", "when")
    assert event["distinct_id"] == "c-12345"
    assert event["properties"]["$process_person_profile"] is False


def test_amplitude_has_tracks_and_identifies(send_file: Send, tmp_path: Path) -> None:
    own = ("--anonymous-id", "cookie", "--field", "ip=ip,platform=kind", "--user-property", "email=mail", *BASE)
    event = sent(send_file, tmp_path, "amplitude", "--event", "what", "--property", "p=price", *own)
    wanted = {
        "event_type": "Bought", "user_id": "007-bond", "device_id": "c-12345", "time": 1709294400000, "ip": "192.0.2.1",
        "platform": "track", "event_properties": {"p": 9.5}, "user_properties": {"email": "a@example.com"},
    }  # fmt: skip
    assert {key: event[key] for key in wanted} == wanted
    event = sent(send_file, tmp_path, "amplitude", "--type", "identify", "--property", "email=mail", *BASE)
    assert (event["event_type"], event["user_properties"]) == ("$identify", {"$set": {"email": "a@example.com"}})


def test_properties_are_all_the_rest_or_those_named_or_both(send_file: Send, tmp_path: Path) -> None:
    row = {"what": "Bought", "who": "user-1", "a": 1, "b": None, "c": 3}
    base = ("--event", "what", "--user-id", "who")
    for flags, properties in (
        ((), {"a": 1, "c": 3}),
        (("--property", "x=a"), {"x": 1}),
        (("--property", "x=a", "--property", "*"), {"x": 1, "c": 3}),
        (("--property", "x=a,name=what"), {"x": 1, "name": "Bought"}),
        (("--drop", "a"), {"c": 3}),
    ):
        assert sent(send_file, tmp_path, "segment", *base, *flags, row=row)["properties"] == properties


@pytest.mark.parametrize(("vendor", "key"), [("segment", "messageId"), ("amplitude", "insert_id"), ("posthog", "uuid")])
def test_a_column_of_ids_is_taken_as_it_is_and_made_a_uuid_where_it_must_be(
    send_file: Send, tmp_path: Path, vendor: str, key: str
) -> None:
    base = ("--event", "what", *BASE)
    assert sent(send_file, tmp_path, vendor, *base, "--message-id", "uid")[key] == ROW["uid"]
    made = sent(send_file, tmp_path, vendor, *base, "--message-id", "old")[key]
    assert (made == "old-id-1") is (vendor != "posthog")
    assert made == sent(send_file, tmp_path, vendor, *base, "--message-id", "old")[key]


def test_ids_follow_what_they_are_made_from(send_file: Send, tmp_path: Path) -> None:
    def made(*flags: str, **changed: Any) -> str:
        event = sent(send_file, tmp_path, "segment", "--event", "what", *BASE, *flags, row={**ROW, **changed})
        return str(event["messageId"])

    assert made() == made()
    # A corrected mapping of the properties is the same event; another name, value or destination is another.
    assert made() == made("--drop", "secret")
    assert (
        len({made(), made(price=10), made(what="Sold"), made("--namespace", "other"), made("--id-from", "@line")}) == 5
    )
    assert made("--id-from", "who,old") == made("--id-from", "who,old", price=10)
    assert made("--id-from", "who,old") != made("--id-from", "who,old", old="x")


def test_a_toml_file_says_the_same_and_flags_win(send_file: Send, tmp_path: Path) -> None:
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'event = "what"\nuser_id = "who"\ntimestamp = "when"\ndrop = ["secret"]\nid_from = ["who", "when"]\n'
        '[properties]\nprice = "price"\n[context]\n"page.url" = "url"\n'
    )
    event = sent(send_file, tmp_path, "segment", "--map", str(mapping))
    assert (event["event"], event["properties"]) == ("Bought", {"price": 9.5})
    event = sent(send_file, tmp_path, "segment", "--map", str(mapping), "--event-name", "Sold", "--property", "u=url")
    assert (event["event"], event["properties"]) == ("Sold", {"price": 9.5, "u": ROW["url"]})


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--user-id", "who"), "--user-id needs --event COLUMN"),
        (("--timestamp", "when"), "--timestamp needs --event COLUMN"),
        (("--event", "what", "--event-name", "x"), "say the same"),
        (("--type", "purchase"), "segment has track, identify"),
        (("--type", "track"), "what are the events called"),
        (("--event", "what", "--timezone", "Mars/Base"), "--timezone"),
        (("--event", "what", "--timestamp-format", "soon"), "--timestamp-format"),
        (("--event", "what", "--types", "a=float"), "--types a=float"),
        (("--event", "what", "--field", "a=b"), "for Amplitude"),
        (("--event", "what", "--property", "a"), "NAME=VALUE"),
        (("--event", "what", "--id-from", "a", "--message-id", "b"), "say the same"),
        (("--map", "none.toml"), "cannot be read"),
        (("--historical",), "--historical is for posthog"),
        (("--resume", "--restart"), "say the opposite"),
        (("--region", "mars"), "region"),
        (("--rejects", "rows.jsonl", "--checkpoint", "rows.jsonl"), "must all be different"),
    ],
)
def test_what_cannot_be_meant_is_told_of(
    send_file: Send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text(json.dumps(ROW))
    run = send_file("rows.jsonl", "--to", "segment", *flags)
    assert run.code == 2
    assert said in run.err
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_nothing_is_said_to_be_sent_where_clients_are_disabled(send_file: Send, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW))
    run = send_file(tmp_path / "rows.jsonl", "--to", "segment", "--event", "what", *BASE, SLUICEWAY_DISABLED="1")
    assert (run.code, "SLUICEWAY_DISABLED is set" in run.err) == (2, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("event = what", "map.toml"),
        ("evnt = 'what'", "evnt"),
        ("event = 3", "event"),
        ("[properties]\na = 1", "properties"),
    ],
)
def test_a_mistake_in_a_toml_file_is_told_of(send_file: Send, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW))
    (tmp_path / "map.toml").write_text(text)
    run = send_file(tmp_path / "rows.jsonl", "--to", "segment", "--map", tmp_path / "map.toml")
    assert run.code == 2
    assert said in run.err


def test_a_table_needs_a_mapping_and_has_the_columns_that_it_names(send_file: Send, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    assert "which events are these?" in send_file(path, "--to", "segment").err
    run = send_file(path, "--to", "segment", "--event", "what")
    assert (run.code, "has no column 'what'; it has a, b" in run.err) == (2, True)


@pytest.mark.parametrize(
    ("changed", "reason", "said"),
    [
        ({"who": None}, "invalid", "user_id or anonymous_id is required"),
        ({"who": ""}, "invalid", "user_id or anonymous_id is required"),
        ({"who": True}, "bad_id", "column 'who' holds a bool"),
        ({"who": 1.5}, "bad_id", "column 'who' holds a float"),
        ({"what": None}, "invalid", "event is required"),
        ({"when": "soon"}, "bad_timestamp", "names no moment"),
        ({"note": "x" * 40_000}, "too_large", "the limit is 32,768"),
        ({"order": None}, "no_id", "order"),
    ],
)
def test_a_row_that_is_no_event_is_rejected_with_its_reason(
    send_file: Send, tmp_path: Path, changed: dict[str, Any], reason: str, said: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**ROW, **changed}) + "\n" + json.dumps({**ROW, "order": 1}) + "\n")
    by = ("--id-from", "order") if "order" in changed else ()
    with Receiver(vendor="segment") as receiver:
        run = send_file(path, "--to", "segment", "--host", receiver.url, "--event", "what", *BASE, *by)
    assert run.code == 1
    [reject] = rejects_of(path)
    assert (reject["line"], reject["reason"]) == (1, reason)
    assert said in reject["message"]
    assert run.last == "2 rows = 1 sent + 1 rejected; 1 sent = 1 delivered + 0 failed + 0 left"


def test_numbers_are_ids_and_floats_without_fraction_too(send_file: Send, tmp_path: Path) -> None:
    for value in (12345, 12345.0):
        assert (
            sent(send_file, tmp_path, "segment", "--event", "what", *BASE, row={**ROW, "who": value})["userId"]
            == "12345"
        )
