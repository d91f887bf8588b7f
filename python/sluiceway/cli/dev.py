"""`sluiceway dev`: start the local server, say how to point clients at it, and tell of each request in a line."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
import webbrowser
from types import FrameType

import click

from sluiceway.devserver.marker import production_marker
from sluiceway.devserver.running import DEFAULT_PORT, MAX_EVENTS, DevServer
from sluiceway.devserver.screen import Screen
from sluiceway.devserver.store import StoreError
from sluiceway.testing.strict.detect import VENDORS

EXAMPLES = """\b
Examples:
  sluiceway dev                                # http://127.0.0.1:8765, the page's address is printed
  sluiceway dev --open                         # and the page is opened
  sluiceway dev --port 0 --json                # a free port, told as one line of JSON
  sluiceway dev --db events.db                 # events are there again after a restart
  sluiceway dev --vendor rudderstack           # what comes without a prefix is RudderStack's
"""

_USAGE = 2

TOKEN_VARIABLE = "SLUICEWAY_DEV_TOKEN"
"""A token that stays the same from start to start; not an option, which every user of a machine can see."""


@click.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, show_default=True, help="0: a free one.")
@click.option("--db", metavar="FILE", help="Keep the events in this file; in memory by default.")
@click.option(
    "--max-events",
    type=click.IntRange(100, 10_000_000),
    default=MAX_EVENTS,
    show_default=True,
    help="Keep so many; the oldest go first.",
)
@click.option(
    "--vendor", type=click.Choice(VENDORS), help="Whose events come without a prefix; told from each by default."
)
@click.option("--open/--no-open", "opens", default=False, help="Open the page in a browser; not by default.")
@click.option("--no-redact", is_flag=True, help="Show e-mail addresses, tokens and the like on the page as they are.")
@click.option("--quiet", is_flag=True, help="No line for each request.")
@click.option("--json", "as_json", is_flag=True, help="Print the addresses as one line of JSON.")
@click.option("--even-in-production", is_flag=True, help="Start although the environment says production.")
def dev(
    port: int,
    db: str | None,
    max_events: int,
    vendor: str | None,
    opens: bool,
    no_redact: bool,
    quiet: bool,
    as_json: bool,
    even_in_production: bool,
) -> None:
    """Take events on 127.0.0.1 as Segment, RudderStack, PostHog and Amplitude do, and show them on a live page.

    Any client of theirs or ours can be pointed at it. Nothing leaves this machine.
    """
    marker = production_marker(os.environ)
    if marker is not None and not even_in_production:
        _fail(
            f"the environment says production ({marker}), and this server shows payloads to whoever has its page's "
            "address. Start it on your own machine, or with --even-in-production."
        )
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    screen = Screen(quiet=quiet, as_json=as_json)
    try:
        server = DevServer(
            port,
            db=db,
            max_events=max_events,
            vendor=vendor,
            redacts=not no_redact,
            token=os.environ.get(TOKEN_VARIABLE) or None,
            told=screen.request,
        )
    except ValueError as error:
        _fail(f"{TOKEN_VARIABLE}: {error}")
    except StoreError as error:
        _fail(str(error))
    except OSError as error:
        _fail(_about_port(port, error))
    with server:
        if as_json:
            told = {"url": server.url, "page": server.page, "port": server.port, "token": server.token}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()
        else:
            screen.start(server.url, server.page)
        if opens:
            threading.Thread(target=webbrowser.open, args=(server.page,), daemon=True).start()
        stop.wait()
    screen.end()


def _about_port(port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is taken, perhaps by another `sluiceway dev`. End that one, name another port "
            f"(--port {port + 1 if port < 65_535 else 8765}), or let a free one be found (--port 0)."
        )
    if error.errno == errno.EACCES:
        return f"port {port} is not for you to open: name one from 1024, or let a free one be found (--port 0)."
    return f"cannot listen on 127.0.0.1:{port}: {error.strerror or type(error).__name__}. Try --port 0."


def _fail(text: str) -> None:
    sys.stderr.write(f"sluiceway dev: {text}\n")
    sys.exit(_USAGE)
