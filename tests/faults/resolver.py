"""A name server of a test's own: says what it is told to say, or nothing. IPv4 addresses only; others do not exist."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

from .netns import inside

ADDRESS = "127.0.0.53"
LINES = f"nameserver {ADDRESS}\noptions timeout:3 attempts:2\n"
"""A resolv.conf that asks it, and gives it six seconds."""

NXDOMAIN, SERVFAIL = 3, 2
_TYPE_A = 1


class Resolver:
    """Answers on port 53 of a namespace. `says` is an IPv4 address, an error code, or None for silence."""

    def __init__(self, namespace: str, says: str | int | None) -> None:
        self.says = says
        self.questions = 0
        self._socket = inside(namespace, self._open)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @staticmethod
    def _open() -> socket.socket:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.bind((ADDRESS, 53))
        opened.settimeout(0.2)
        return opened

    def _serve(self) -> None:
        while self._socket.fileno() != -1:
            with contextlib.suppress(OSError):
                question, asker = self._socket.recvfrom(1_024)
                self.questions += 1
                if self.says is not None:
                    self._socket.sendto(_answer(question, self.says), asker)

    def close(self) -> None:
        """Be gone."""
        self._socket.close()
        self._thread.join(5)

    def __enter__(self) -> Resolver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _answer(question: bytes, says: str | int) -> bytes:
    end = question.index(b"\0", 12) + 5
    kind = struct.unpack(">H", question[end - 4 : end - 2])[0]
    code = says if isinstance(says, int) else 0
    has_address = code == 0 and kind == _TYPE_A
    head = question[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, int(has_address), 0, 0)
    # Valid for no time: the next connection asks again.
    record = b"\xc0\x0c" + struct.pack(">HHIH", _TYPE_A, 1, 0, 4) + socket.inet_aton(str(says)) if has_address else b""
    return head + question[12:end] + record
