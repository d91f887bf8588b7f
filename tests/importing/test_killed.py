"""An import that is killed and resumed, smaller than `make import-kills` and for every vendor."""

from __future__ import annotations

from pathlib import Path

import pytest

from .campaign import campaign


@pytest.mark.parametrize(("vendor", "kills"), [("segment", 5), ("rudderstack", 1), ("posthog", 1), ("amplitude", 2)])
def test_an_import_that_was_killed_arrives_complete_and_each_event_once(
    tmp_path: Path, vendor: str, kills: int
) -> None:
    figures = campaign(tmp_path, vendor, kills=kills, rows=9_000, is_slow=True)
    assert figures.broken == []
    assert figures.kills == kills
