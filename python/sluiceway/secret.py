"""A credential that cannot be printed: every way of looking at it shows its last four characters at most."""

from __future__ import annotations

from typing import Any

from sluiceway.errors import SluicewayError

SHORTEST_WITH_A_TAIL = 12
"""Of a shorter secret even four characters would be a good part, so none is shown."""


class Secret:
    """Hold a string that ``repr``, ``str``, ``format``, ``vars``, ``pickle`` and ``copy`` show as ``***abcd``."""

    __slots__ = ("_masked", "_value")

    def __init__(self, value: str, *, shows_tail: bool = True) -> None:
        """`shows_tail` is False for what people choose, and may have chosen badly: a password."""
        self._value: str | None = value
        self._masked = "***" + (value[-4:] if shows_tail and len(value) >= SHORTEST_WITH_A_TAIL else "")

    def reveal(self) -> str:
        """Return the credential itself. Raises SluicewayError on a copy that went through pickle, which has none."""
        if self._value is None:
            raise SluicewayError("this credential was pickled, and credentials are not kept in pickles")
        return self._value

    def __repr__(self) -> str:
        return self._masked

    def __format__(self, spec: str) -> str:
        return format(self._masked, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value is not None and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (_masked_only, (self._masked,))


def _masked_only(masked: str) -> Secret:
    secret = Secret("")
    secret._value = None
    secret._masked = masked
    return secret
