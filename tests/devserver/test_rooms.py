"""The server's rooms: known to the command alone, and those that judge without clock, socket, thread and file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sluiceway

ROOT = Path(sluiceway.__file__).parent


def named(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_nothing_but_the_commands_knows_the_server() -> None:
    for path in ROOT.rglob("*.py"):
        if "devserver" not in path.parts and "cli" not in path.parts:
            assert not [name for name in named(path) if name.startswith("sluiceway.devserver")], path


@pytest.mark.parametrize(
    "room",
    [
        "asserting",
        "columns",
        "marker",
        "masking",
        "outline",
        "pointing",
        "reasons",
        "redaction",
        "shapes",
        "silent",
        "verdicts",
    ],
)
def test_what_judges_has_no_effects(room: str) -> None:
    effects = {"asyncio", "socket", "sqlite3", "threading", "time", "os", "logging", "random", "uvicorn", "starlette"}
    assert not named(ROOT / "devserver" / f"{room}.py") & effects


def test_only_the_edge_knows_what_it_is_served_by() -> None:
    for path in (ROOT / "devserver").glob("*.py"):
        parts = {name.partition(".")[0] for name in named(path)}
        if path.stem not in ("running", "routes", "page", "stream"):
            assert not parts & {"uvicorn", "starlette", "sse_starlette"}, path
