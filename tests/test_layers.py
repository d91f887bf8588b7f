"""The arrows between the rooms: one way, the native engine in one room only, policy without effects."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sluiceway

ROOT = Path(sluiceway.__file__).parent


@cache
def rooms() -> dict[str, set[str]]:
    """Each room and what it imports, lazily or not; what only type checkers import does not count."""
    found = {}
    for path in ROOT.rglob("*.py"):
        name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        if name != "sluiceway":  # the door loads every room by name, when asked
            found[name] = imports(ast.parse(path.read_text()))
    return found


def imports(tree: ast.Module) -> set[str]:
    named: set[str] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "sluiceway":
            named.update(f"sluiceway.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            named.add(node.module)
        waiting.extend(ast.iter_child_nodes(node))
    return named


def ours(named: set[str]) -> set[str]:
    return {name for name in named if name.startswith("sluiceway.")}


def test_only_the_client_knows_the_native_engine() -> None:
    assert {room for room, named in rooms().items() if "sluiceway._native" in named} == {"sluiceway.client"}


def test_the_spool_knows_nothing_of_what_is_sent_and_to_whom() -> None:
    below = {"sluiceway.engine", "sluiceway.errors", "sluiceway.notices", "sluiceway.threads"}
    for room, named in rooms().items():
        if room.startswith("sluiceway.spool."):
            assert {name for name in ours(named) if not name.startswith("sluiceway.spool.")} <= below, room


def test_no_room_needs_itself() -> None:
    # A package that names itself loads a room of its own.
    graph = {room: ours(named) - {room} for room, named in rooms().items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the circle


@pytest.mark.parametrize(
    "room",
    [
        "errors",
        "secret",
        "stats",
        "retry",
        "verdict",
        "doubt",
        "values",
        "vendors.base",
        "events",
        "inheriting",
        "nesting",
        "shapes",
        "sorting",
        "lanes",
        "spool.contents",
        "spool.format",
    ],
)
def test_policy_knows_no_clock_no_socket_no_thread_and_no_log(room: str) -> None:
    effects = {"socket", "ssl", "threading", "_thread", "logging", "random", "urllib3", "asyncio", "select"}
    assert rooms()[f"sluiceway.{room}"] & effects == set()


@pytest.mark.parametrize(
    ("room", "may_know"),
    [
        ("errors", set()),
        ("secret", {"errors"}),
        ("stats", set()),
        ("middleware", set()),
        ("values", set()),
        ("endpoint", {"errors"}),
        ("retry", {"errors"}),
        ("verdict", {"retry"}),
        ("doubt", set()),
        ("vendors.base", {"doubt", "retry", "verdict"}),
        ("reading", {"errors", "secret"}),
        (
            "options",
            {
                "endpoint",
                "errors",
                "middleware",
                "proxy",
                "reading",
                "retry",
                "secret",
                "spool.settings",
                "vendors.base",
            },
        ),
        ("filed", set()),
        ("spool.contents", set()),
        ("spool.format", {"spool.contents"}),
        ("spool.disk", set()),
        ("spool.descriptors", {"spool.disk"}),
        ("spool.filesystem", set()),
        ("spool.settings", {"errors", "spool.disk", "spool.filesystem"}),
        ("spool.home", {"spool.descriptors", "spool.disk", "spool.format"}),
        ("spool.sealing", {"spool.contents", "spool.disk", "spool.format", "spool.home"}),
        ("spool.turn", {"threads"}),
        ("spool.trouble", {"engine", "notices"}),
        ("spool.quarantine", {"spool.disk", "spool.home"}),
        ("proxy", {"endpoint", "errors", "secret"}),
        ("vendors.fault", set()),
        ("vendors.beyond", {"vendors.base", "vendors.fault"}),
        ("vendors.rules", {"vendors.base", "vendors.beyond", "vendors.fault"}),
        ("short_cuts", {"vendors.base"}),
        ("shapes", {"vendors.base"}),
        ("nesting", {"errors", "shapes", "vendors.base"}),
        ("events", {"errors", "nesting", "values", "vendors.base"}),
        ("inheriting", {"errors", "events", "values", "vendors.base"}),
        ("scopes", {"client", "events", "inheriting", "values"}),
        ("lifecycle", {"errors", "hosting", "notices"}),
        ("parcel", {"retry", "vendors.base"}),
        ("hold", {"vendors.base"}),
        ("lanes", {"hold", "parcel", "vendors.base"}),
        ("line", {"lanes", "parcel"}),
        ("sorting", {"hold", "vendors.base", "verdict"}),
        ("handover", {"report", "transport"}),
    ],
)
def test_the_lower_rooms_know_only_what_is_below_them(room: str, may_know: set[str]) -> None:
    assert ours(rooms()[f"sluiceway.{room}"]) <= {f"sluiceway.{name}" for name in may_know}
    assert may_know <= {name.removeprefix("sluiceway.") for name in ours(rooms()[f"sluiceway.{room}"])}


TOOLS = ("checking", "cli", "devserver", "importing", "measuring")


def test_what_delivers_knows_none_of_the_tools_and_none_of_what_they_stand_on() -> None:
    extras = {"click", "httptools", "pyarrow", "pytest", "rich", "sse_starlette", "starlette", "uvicorn", "zstandard"}
    for room, named in rooms().items():
        part = room.split(".")[1]
        if part in (*TOOLS, "__main__"):
            continue
        assert not {name for name in ours(named) if name.split(".")[1] in TOOLS}, room
        if part != "testing":
            assert not {name.split(".")[0] for name in named} & extras, room


def test_no_command_stands_on_another() -> None:
    # The commands share what is in `cli`; what is behind each of them is its own.
    for room, named in rooms().items():
        part = room.split(".")[1]
        if part in TOOLS and part != "cli":
            assert not {name for name in ours(named) if name.split(".")[1] in TOOLS} - {
                name for name in ours(named) if name.split(".")[1] == part
            }, room
