"""How programs end, as data: each path is a short program, what it leaves behind, and what must hold of its end."""

from __future__ import annotations

from exiting import children, finalizing, hard, normal, odd, signals
from exiting.path import Path

PATHS: tuple[Path, ...] = (
    *normal.PATHS,
    *signals.PATHS,
    *hard.PATHS,
    *children.PATHS,
    *finalizing.PATHS,
    *odd.PATHS,
)
