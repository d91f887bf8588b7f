"""Keys come from the environment or a file, are refused in words, and are never printed."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from sluiceway.cli import keys

CANARY = "Canary0fkz9876543210ABCDEFGHtail"


def test_each_vendor_has_a_variable_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for vendor, name in keys.VARIABLES.items():
        monkeypatch.setenv(name, f"{CANARY}{vendor}")
        found = keys.find(vendor)
        assert found.key.reveal() == f"{CANARY}{vendor}"
        assert found.source == f"environment variable {name}"
        assert CANARY not in repr(found) + str(found)


def test_another_variable_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", CANARY)
    assert keys.read("segment", "MY_KEY").reveal() == CANARY


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_line_break_at_the_end_of_a_file_is_no_part_of_the_key(tmp_path: Path, end: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(f"{CANARY}{end}".encode())
    file.chmod(0o600)
    found = keys.find("segment", key_file=str(file))
    assert (found.key.reveal(), found.readable_by_others) == (CANARY, False)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_file_that_others_can_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(CANARY)
    file.chmod(0o644)
    assert keys.find("segment", key_file=str(file)).readable_by_others


def test_standard_input_is_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(f"{CANARY}\n".encode())))
    assert keys.find("segment", key_file="-").key.reveal() == CANARY


def test_what_is_missing_says_where_to_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(keys.NoKey, match=r"SEGMENT_WRITE_KEY is not set.*--key-env NAME.*--key-file FILE"):
        keys.find("segment")
    with pytest.raises(keys.NoKey, match="cannot be read: No such file"):
        keys.find("segment", key_file=str(tmp_path / "none"))
    with pytest.raises(keys.NoKey, match="cannot be read: Is a directory"):
        keys.find("segment", key_file=str(tmp_path))
    (tmp_path / "large").write_bytes(b"k" * 5_000)
    with pytest.raises(keys.NoKey, match="more than 4,096 bytes"):
        keys.find("segment", key_file=str(tmp_path / "large"))
    with pytest.raises(click.UsageError, match="not both"):
        keys.find("segment", "A", "b")
    monkeypatch.setenv("SEGMENT_WRITE_KEY", "")
    with pytest.raises(keys.NoKey, match="is empty"):
        keys.read("segment")


@pytest.mark.parametrize("given", [CANARY, "phc_Canary0fkz9876543210", f" {CANARY}", f"{CANARY}:", "c0ffee-0fkz"])
def test_a_key_in_the_place_of_a_name_is_not_repeated(given: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        keys.find("segment", given)
    assert given.strip() not in caught.value.message
    assert "0fkz" not in caught.value.message


@pytest.mark.parametrize("value", [f"{CANARY}\n", f" {CANARY}", f"{CANARY}:", f"{CANARY}ü"])
def test_a_key_that_no_client_takes_is_refused_and_not_repeated(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_WRITE_KEY", value)
    with pytest.raises(
        click.UsageError, match="write key in the environment variable SEGMENT_WRITE_KEY must be"
    ) as caught:
        keys.read("segment")
    assert "Canary" not in caught.value.message
