"""Row 53: in a subinterpreter the package says that it cannot work there and what to do; the main one goes on."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Both kinds: with an interpreter lock of its own, which CPython refuses by itself, and with the shared one, as under
# mod_wsgi, where nobody but us would notice.
RUN = """
import sys
code = '''
try:
    from sluiceway import Segment
except ImportError as error:
    assert "main interpreter only" in str(error) and "WSGIApplicationGroup" in str(error), error
    print("refused", flush=True)
else:
    print("loaded", flush=True)
'''
def run(isolated):
    try:
        import _interpreters
    except ImportError:
        import _xxsubinterpreters
        number = _xxsubinterpreters.create(isolated=isolated)
        _xxsubinterpreters.run_string(number, code)
        _xxsubinterpreters.destroy(number)
    else:
        number = _interpreters.create("isolated" if isolated else "legacy")
        assert _interpreters.run_string(number, code) is None
        _interpreters.destroy(number)
"""

MAIN = """
from sluiceway import Segment
from sluiceway.testing import MemoryTransport
client = Segment("a-write-key-of-tests", transport=MemoryTransport())
assert client.track("u", "E")
print("main", client.stats().delivered, flush=True)
"""


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (f"{RUN}\nrun(False); run(True); run(False)\n{MAIN}", "refused\nrefused\nrefused\nmain 1\n"),
        (f"{MAIN}\n{RUN}\nrun(True); run(False); assert client.track('u', 'E')", "main 1\nrefused\nrefused\n"),
    ],
    ids=["before the main one loads it", "after"],
)
def test_row_53_a_subinterpreter_gets_an_import_error_with_advice(program: str, said: str) -> None:
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (ended.returncode, ended.stdout) == (0, said), ended.stderr
