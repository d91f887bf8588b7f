"""How events and values are shown to somebody whose test fails: one short line each. Pure."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluiceway.testing.captured import CapturedEvent
    from sluiceway.testing.refused import RefusedCall

_MOST_CHARS = 160
_CONTEXT_CHARS = 24
_MOST_EVENTS = 12
_MOST_REFUSED = 5


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 6
        self.maxlevel = 3
        self.maxstring = self.maxother = 60
        self.maxlong = 40


_short = _Short().repr


def value(shown: Any, most_chars: int = _MOST_CHARS) -> str:
    """One value on one line; of a long one the beginning and the end."""
    try:
        text = repr(shown)
    except Exception as error:
        return f"<{type(shown).__name__} whose repr raised {type(error).__name__}>"
    if len(text) > most_chars:
        half = most_chars // 2 - 2
        text = f"{text[:half]} … {text[-half:]}"
    return text.replace("\n", " ")


def pair(expected: Any, sent: Any) -> tuple[str, str]:
    """Two values that differ; of long texts the place from which on they do."""
    if isinstance(expected, str) and isinstance(sent, str) and max(len(expected), len(sent)) > _MOST_CHARS:
        at = next((at for at, (a, b) in enumerate(zip(expected, sent, strict=False)) if a != b), None)
        at = min(len(expected), len(sent)) if at is None else at
        start = max(0, at - _CONTEXT_CHARS)
        cut = slice(start, at + _MOST_CHARS - 2 * _CONTEXT_CHARS)
        before = f"…[{start}:] " if start else ""
        return tuple(f"{before}{text[cut]!r}{'…' if cut.stop < len(text) else ''}" for text in (expected, sent))  # type: ignore[return-value]
    return value(expected), value(sent)


def title(event: CapturedEvent) -> str:
    """Type, name and owner: ``track 'Item Purchased' of 'user-1'``."""
    kind = event.type or "event"
    name = f" {value(event.event, 60)}" if event.event and not event.event.startswith("$") else ""
    owner = event.user_id or event.anonymous_id
    return f"{kind}{name}{'' if owner is None else f' of {value(owner, 60)}'}"


def rows(events: Sequence[CapturedEvent], refused: Sequence[RefusedCall]) -> list[str]:
    """A table of what was sent and what was refused, as lines; of many events the first and the last."""
    cells = [
        (
            f"#{number}",
            event.vendor,
            event.type or "?",
            value(event.event, 40) if event.event else "",
            value(event.user_id or event.anonymous_id or "", 40),
            ", ".join(f"{key}={_short(each)}" for key, each in (event.properties or event.traits).items()),
        )
        for number, event in enumerate(events, 1)
        if number <= _MOST_EVENTS - 2 or number > len(events) - 2
    ]
    widths = [max((len(row[at]) for row in cells), default=0) for at in range(5)]
    lines = []
    for row in cells:
        told = "  ".join([text.ljust(width) for text, width in zip(row, widths, strict=False)] + [_cut(row[5])])
        lines.append(told.rstrip())
    if len(cells) < len(events):
        lines.insert(_MOST_EVENTS - 2, f"… {len(events) - len(cells)} more")
    lines += [f"refused: {call}" for call in refused[:_MOST_REFUSED]]
    if len(refused) > _MOST_REFUSED:
        lines.append(f"refused: {len(refused) - _MOST_REFUSED} more")
    return lines


def counted(number: int, what: str) -> str:
    """``1 event``, ``2 events``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _cut(text: str, most_chars: int = 60) -> str:
    text = text.replace("\n", " ")
    return text if len(text) <= most_chars else text[: most_chars - 1] + "…"
