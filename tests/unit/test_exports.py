"""The public names: complete, sorted, loaded on first use, each with a docstring."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sluiceway


def test_all_is_sorted_and_every_name_can_be_had() -> None:
    assert sluiceway.__all__ == sorted(sluiceway.__all__)
    for name in sluiceway.__all__:
        assert getattr(sluiceway, name) is not None
        assert name in dir(sluiceway)


def test_what_type_checkers_see_is_what_is_there() -> None:
    tree = ast.parse(Path(sluiceway.__file__).read_text())
    seen = {
        alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    homes = {name: home for name, home in seen.items() if (home or "").startswith("sluiceway")}
    assert homes == sluiceway._HOMES
    assert set(homes) | {"__version__"} == set(sluiceway.__all__)


@pytest.mark.parametrize("name", [name for name in sluiceway.__all__ if name != "__version__"])
def test_every_public_name_says_what_it_is(name: str) -> None:
    exported = getattr(sluiceway, name)
    if not isinstance(exported, type):
        return  # an alias: its docstring stands below it in the source
    assert exported.__doc__
    for member, value in vars(exported).items():
        if callable(value) and not member.startswith("_"):
            assert value.__doc__, f"{name}.{member}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Segmnt"):
        sluiceway.Segmnt  # noqa: B018


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import sluiceway; print(sorted(set(sys.modules) - before))"
    ended = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(sluiceway.__file__).parents[1],
    )
    assert ended.stdout.strip() == "['__future__', 'sluiceway']", ended.stderr
