"""Rows 40, 41 and 45 to 49: every way to end once, and that a wrong end is seen. The full run is `make exits`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path as FilePath

import pytest

TESTS = FilePath(__file__).parents[1]

sys.path.insert(0, str(TESTS))
try:
    from exiting import PATHS, trial
    from exiting.path import Path
    from exiting.trial import Stage, stage
finally:
    sys.path.remove(str(TESTS))

CHOSEN = {path.name: path for path in PATHS}


@pytest.fixture(scope="module")
def around() -> Iterator[Stage]:
    with stage(seed=5) as around:
        yield around


@pytest.fixture(scope="module")
def ends(around: Stage) -> Iterator[dict[str, Future[list[str]]]]:
    """All paths, four at a time: most of them wait more than they work."""
    with ThreadPoolExecutor(4) as pool:
        yield {name: pool.submit(around.trial, path, 0) for name, path in CHOSEN.items()}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", list(CHOSEN))
def test_rows_40_41_45_to_49_a_program_ends_as_it_would_without_a_client(
    ends: dict[str, Future[list[str]]], name: str
) -> None:
    assert ends[name].result() == []


def test_the_paths_were_not_walked_in_silence(ends: dict[str, Future[list[str]]], around: Stage) -> None:
    for end in ends.values():
        end.result()
    expected = sum(sum(path.expects.values()) for path in PATHS)
    assert around.answers.stats().ids > expected > 20_000
    assert around.silent.stats().requests >= 10


PLANTS = {
    "another exit code": ("atexit.register(os._exit, 9)", "ended with 9 instead of 3"),
    "a crash": ("atexit.register(os.abort)", "ended with -6 instead of 3"),
    "a traceback": ("atexit.register(lambda: 1 / 0)", "on the standard error"),
    "a line": ("atexit.register(os.write, 2, b'sluiceway did something\\n')", "on the standard error"),
    "a slow end": ("atexit.register(time.sleep, 4)", "s to end"),
    "no hook": ("from sluiceway import lifecycle; lifecycle._Process.register = lambda self: None", "are missing"),
    "the same events again": ("track(7); client.close(); client = make()", "arrived more than once"),
    "events out of nowhere": ("track(1, 'nobody')", "nobody was to accept"),
    "two lines of ours": (
        (
            "import logging; logging.basicConfig(format='sluiceway %(message)s'); log = logging.warning\n"
            "for _ in 'ab': log('closed before everything was sent; 7 events failed')"
        ),
        "2 lines of ours",
    ),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plant", list(PLANTS))
def test_a_wrong_end_is_seen(around: Stage, plant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "ARRIVAL_SECONDS", 0.5)
    monkeypatch.setattr(trial, "SLACK_SECONDS", 1.0)
    planted, seen = PLANTS[plant]
    good = CHOSEN["exit-3"]
    around.control(good)
    bad = Path(
        name=f"planted-{plant.replace(' ', '-')}",
        row=0,
        program=f"if not CONTROL:\n{textwrap.indent(planted, '    ')}\n{good.program}",
        expects=good.expects,
        options={"flush_interval": 60},
    )
    assert any(seen in wrong for wrong in around.trial(bad, 0)), around.trial(bad, 1)
