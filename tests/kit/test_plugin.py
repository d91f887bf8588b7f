"""The pytest plugin as a user's project meets it: each test here is a small project that runs pytest of its own."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec

import pytest
from tests.kit.conftest import is_installed

# By its name, so that it does not matter whether the package is installed; the other plugins of this machine stay away.
WITH_KIT = ("-p", "sluiceway.testing.plugin")
APP = """
    from sluiceway import Amplitude, PostHog, Segment

    client = Segment("WRITE_KEY")


    def buy(user, price):
        client.track(user, "Item Purchased", {"revenue": price})
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No other plugin of this machine."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, *args: str, kit: tuple[str, ...] = WITH_KIT) -> pytest.RunResult:
    """Run the project in a process of its own, as its user would."""
    pytester.makepyfile(app=APP)
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", "--strict-markers", *kit, *args, timeout=60)


def test_a_module_level_client_is_captured(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import app
        from sluiceway.testing import assert_tracked

        def test_buying(sluiceway_events):
            app.buy("user-1", 39.95)
            assert_tracked("Item Purchased", user_id="user-1", properties={"revenue": 39.95})
            assert len(sluiceway_events) == 1

        def test_each_test_begins_anew(sluiceway_events):
            assert sluiceway_events == []
            app.client.close()

        def test_a_client_closed_by_the_app_is_open_again(sluiceway_events):
            app.buy("user-2", 1.0)
            assert [event.user_id for event in sluiceway_events] == ["user-2"]
    """)
    run(pytester).assert_outcomes(passed=3)


def test_a_failure_points_at_the_users_line_and_names_the_nearest(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import app
        from sluiceway.testing import assert_tracked

        def test_buying(sluiceway_events):
            app.buy("user-1", 36.0)
            assert_tracked("Item Purchased", user_id="user-1", properties={"revenue": 39.95})

        def test_counting(sluiceway_events):
            app.buy("user-1", 36.0)
            assert len(sluiceway_events) == 2

        def test_method(sluiceway_events):
            sluiceway_events.assert_identified("user-1")
    """)
    result = run(pytester)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            '>       assert_tracked("Item Purchased", user_id="user-1", properties={"revenue": 39.95})',
            "E       AssertionError: no event is as expected: assert_tracked('Item Purchased', *",
            "E       nearest: #1 of 1, track 'Item Purchased' of 'user-1'",
            "E         properties[[]'revenue'[]]",
            "E           expected: 39.95",
            "E           sent:     36.0",
            "E       1 event sent:",
            "E         #1  segment  track  'Item Purchased'  'user-1'  revenue=36.0",
            "test_*.py:6: AssertionError",
            "*<CapturedEvents: 1 event: track 'Item Purchased' of 'user-1'>*",
            "*- what sluiceway captured -*",
            "#1  segment  track  'Item Purchased'  'user-1'  revenue=36.0",
        ]
    )
    text = result.stdout.str()
    for hidden in ("asserting.py", "collection.py", "assertions.py"):
        assert f"{hidden}:" not in text
    # What the message has said already is not said again.
    assert text.count("- what sluiceway captured -") == 1


def test_options_by_fixture_and_by_marker(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest

        @pytest.fixture
        def sluiceway_options():
            return {"strict": True, "freeze": "2026-05-06T07:08:09Z"}
    """)
    pytester.makepyfile("""
        import app, pytest
        from sluiceway import InvalidEvent

        def test_strict(sluiceway_events):
            with pytest.raises(InvalidEvent):
                app.buy("", 1.0)

        @pytest.mark.sluiceway(strict=False, ids=True)
        def test_not_strict(sluiceway_events, sluiceway_clock):
            app.buy("", 1.0)
            app.buy("user-1", 1.0)
            event = sluiceway_events[0]
            assert event.id == "00000000-0000-4000-8000-000000000001"
            assert event.wire["timestamp"] == "2026-05-06T07:08:09.000Z"
            assert sluiceway_clock.now == event.timestamp

        @pytest.mark.sluiceway(freeze="2020-01-01")
        class TestNearest:
            @pytest.mark.sluiceway(freeze="2021-01-01")
            def test_wins(self, sluiceway_events):
                assert sluiceway_events.clock.now.year == 2021

            def test_else_the_outer(self, sluiceway_events):
                assert sluiceway_events.clock.now.year == 2020

        @pytest.mark.sluiceway(stirct=True)
        def test_mistyped(sluiceway_events):
            pass

        @pytest.mark.sluiceway(True)
        def test_by_position(sluiceway_events):
            pass
    """)
    result = run(pytester)
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(["*'stirct' is not an option of the fixtures*", "*takes its options by name*"])


def test_without_the_argument_by_usefixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import unittest
        import app, pytest
        from sluiceway.testing import assert_tracked, capture

        pytestmark = pytest.mark.usefixtures("sluiceway_events")

        class Buying(unittest.TestCase):
            def test_buying(self):
                app.buy("user-1", 39.95)
                assert_tracked("Item Purchased")

            def test_a_block_of_its_own(self):
                with capture() as events:
                    app.buy("user-1", 39.95)
                assert len(events) == 1
    """)
    run(pytester).assert_outcomes(passed=2)


def test_the_server_takes_what_is_sent_and_answers_as_told(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from sluiceway import RudderStack, Segment
        from sluiceway.testing import answers

        def test_delivery(sluiceway_server):
            with Segment("KEY", host=sluiceway_server.url) as client:
                client.track("user-1", "Sold")
                assert client.flush().ok
            assert [event["event"] for event in sluiceway_server.events] == ["Sold"]
            assert sluiceway_server.requests[0].status == 200

        def test_an_answer(sluiceway_server):
            sluiceway_server.answer(401)
            with Segment("KEY", host=sluiceway_server.url) as client:
                client.track("user-1", "Sold")
                assert not client.flush().ok
            assert sluiceway_server.events == []

        @pytest.mark.sluiceway(vendor="rudderstack")
        def test_of_a_vendor(sluiceway_server):
            with RudderStack("KEY", sluiceway_server.url) as client:
                client.track("user-1", "Sold")

        def test_beside_what_is_captured(sluiceway_events, sluiceway_server):
            with Segment("KEY", host=sluiceway_server.url) as client, Segment("KEY") as other:
                client.track("user-1", "Real")
                other.track("user-1", "Captured")
                assert client.flush().ok
            assert [event["event"] for event in sluiceway_server.events] == ["Real"]
            assert [event.event for event in sluiceway_events] == ["Captured"]
    """)
    run(pytester).assert_outcomes(passed=4)


def test_what_a_strict_vendor_objects_to_fails_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import urllib.request
        import pytest

        def post(url):
            body = b'{"batch":[{"type":"track","event":"Of nobody","messageId":"m"}],"writeKey":"k"}'
            headers = {"Content-Type": "application/json", "Authorization": "Basic azo="}
            try:
                urllib.request.urlopen(urllib.request.Request(url + "/v1/batch", body, headers), timeout=10).close()
            except OSError as error:
                error.close()

        def test_violating(sluiceway_server):
            post(sluiceway_server.url)

        @pytest.mark.sluiceway(allow_violations=True)
        def test_allowed(sluiceway_server):
            post(sluiceway_server.url)
            assert sluiceway_server.violations

        def test_allowed_by_itself(sluiceway_server):
            sluiceway_server.allow_violations = True
            post(sluiceway_server.url)
    """)
    result = run(pytester)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        ["*ERROR at teardown of test_violating*", "a strict vendor objects to what was sent (*"]
    )


def test_a_project_that_uses_none_of_it_loads_none_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys

        def test_nothing_is_loaded():
            ours = sorted(name for name in sys.modules if name.split(".")[0] in ("sluiceway", "msgspec", "urllib3"))
            assert ours in ([], ["sluiceway", "sluiceway.testing", "sluiceway.testing.plugin"])
    """)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    result = pytester.runpytest_subprocess("--strict-config", "--strict-markers", *WITH_KIT, timeout=60)
    result.assert_outcomes(passed=1)


def test_the_engine_is_loaded_by_clients_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys

        def test_no_engine(sluiceway_events, sluiceway_clock, sluiceway_ids):
            assert "sluiceway._native" not in sys.modules
            from sluiceway import Segment

            Segment("KEY").track("user-1", "Sold")
            assert len(sluiceway_events) == 1
    """)
    run(pytester).assert_outcomes(passed=1)


def test_the_plugin_imports_next_to_nothing() -> None:
    import subprocess

    code = (
        "import sys, pytest; before = set(sys.modules); import sluiceway.testing.plugin;"
        "print(sorted(set(sys.modules) - before))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert loaded.stdout.strip() == "['sluiceway', 'sluiceway.testing', 'sluiceway.testing.plugin']"


@pytest.mark.skipif(not is_installed(), reason="needs the package to be installed with its entry point")
def test_an_installed_package_brings_the_plugin_and_it_can_be_switched_off(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    pytester.makepyfile("def test_nothing(sluiceway_events): pass")
    run(pytester, kit=()).assert_outcomes(passed=1)
    run(pytester, "-p", "no:sluiceway", kit=()).assert_outcomes(errors=1)


def test_the_markers_and_fixtures_are_documented(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_nothing(): pass")
    run(pytester, "--markers").stdout.fnmatch_lines(["@pytest.mark.sluiceway(*): options of the fixtures*"])
    shown = run(pytester, "--fixtures", "-v").stdout.str()
    for name in ("events", "clock", "ids", "server", "options"):
        assert re.search(rf"^sluiceway_{name} -- .*\n +\S", shown, re.MULTILINE), name


@pytest.mark.skipif(find_spec("xdist") is None, reason="needs pytest-xdist")
def test_processes_of_xdist_capture_for_themselves(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import app, pytest
        from sluiceway.testing import assert_tracked

        @pytest.mark.parametrize("number", range(12))
        def test_buying(sluiceway_events, number):
            app.buy(f"user-{number}", 1.0)
            assert_tracked("Item Purchased", user_id=f"user-{number}", times=1)
            assert len(sluiceway_events) == 1

        def test_failing(sluiceway_events):
            app.buy("user-1", 1.0)
            assert 0
    """)
    result = run(pytester, "-p", "xdist", "-n", "2")
    result.assert_outcomes(passed=12, failed=1)
    result.stdout.fnmatch_lines(["*- what sluiceway captured -*", "#1  segment  track  'Item Purchased'*"])


@pytest.mark.skipif(find_spec("pytest_asyncio") is None, reason="needs pytest-asyncio")
def test_coroutines_of_pytest_asyncio(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import asyncio
        import app, pytest
        from sluiceway import Segment
        from sluiceway.testing import assert_tracked

        @pytest.mark.asyncio
        async def test_buying(sluiceway_events):
            await asyncio.gather(*(asyncio.to_thread(app.buy, f"user-{n}", 1.0) for n in range(4)))
            assert len(sluiceway_events) == 4
            async with Segment("KEY") as client:
                client.track("user-1", "Sold")
            assert (await app.client.aflush()).ok
            assert_tracked("Sold")
    """)
    pytester.makeini("[pytest]\nasyncio_mode = strict\n")
    run(pytester, "-p", "pytest_asyncio.plugin").assert_outcomes(passed=1)


def test_a_loop_of_the_tests_own(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import asyncio
        import app

        def test_buying(sluiceway_events):
            async def main():
                app.buy("user-1", 1.0)
                assert len(sluiceway_events) == 1
                assert (await app.client.aclose()).ok
            asyncio.run(main())
    """)
    run(pytester).assert_outcomes(passed=1)


def test_a_whole_event_can_be_compared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import app

        def test_buying(sluiceway_events, sluiceway_clock, sluiceway_ids):
            app.buy("user-1", 39.95)
            [event] = sluiceway_events
            assert event.wire == {
                "type": "track",
                "messageId": "00000000-0000-4000-8000-000000000001",
                "timestamp": "2026-01-01T00:00:00.000Z",
                "userId": "user-1",
                "event": "Item Purchased",
                "properties": {"revenue": 39.95},
                "context": {"library": event.wire["context"]["library"]},
                "integrations": {},
            }

        test_in_another_test = test_buying
    """)
    run(pytester).assert_outcomes(passed=2)
