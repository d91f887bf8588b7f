"""What a vendor's page has to say: its calls and their wire shapes, its limits, its envelope, its verdicts.

A page is data and pure functions. It knows neither the native engine nor a socket; ``shapes.py`` turns a `Call` into
the engine's shape, the sender puts the envelope around a batch and asks the page's judge about the answer, and the
receiver of the tests holds what arrives against the same fields (``rules.py``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from sluiceway.doubt import Doubter, doubt_json
from sluiceway.retry import RetryPolicy
from sluiceway.verdict import Judge

if TYPE_CHECKING:
    from sluiceway.transport import Response

Kind: TypeAlias = Literal["id", "name", "label", "map", "number", "int", "any"]
"""What a field takes. id: str, int or UUID, sent as a non-empty str. name: a non-empty str. label: any str.
map: a mapping. number: an int or a float. int: an int. any: whatever JSON can hold. A bool is no number."""

Takes: TypeAlias = Literal["", "user", "anonymous", "who", "context", "grouped", "groups", "entry", "kind"]
"""What a field takes of the scope that an event is made in, where the call does not say it. user, anonymous: that id;
who: the user's or else the anonymous one. context, groups: that map, merged with the call's; grouped: the context with
the entry ``groupId``. entry: the context's entry of the field's own key, which then is not part of the map that takes
the context. kind takes nothing: a text that begins with ``$`` makes the call's ``inherits`` decide."""

LIBRARY_NAME = "sluiceway"


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of an event: the argument it comes from, its key on the wire and what it takes.

    An absent argument (None) leaves the key out, unless there is a ``default``, which is JSON or makes it from the
    version of this package. ``library`` marks the map that carries the name and version of the library, unless the
    caller's own map has that key.

    ``inside`` names the map field of the same call into which this one is written: PostHog's groups are the entry
    ``$groups`` of ``properties``. The fields of one map stand side by side in a call. What the caller's map brings
    under such a key goes to the field, unless the argument was given.
    """

    argument: str
    key: str
    kind: Kind
    required: bool = False
    default: bytes | Callable[[str], bytes] = b""
    library: bool = False
    inside: str = ""
    ours: Callable[[str], dict[str, Any]] | None = None
    """Of a map: the version of this package -> entries that the map always has, whatever the caller's map says."""
    watched: tuple[str, ...] = ()
    """Of a map: further keys that make an event take the long way, where the call's ``prepare`` sees to them."""
    guarded: bool = False
    """A given value takes the long way, where the call's ``prepare`` merges it with what the client was told."""
    refused: tuple[str, ...] = ()
    """Texts that the vendor does not take here, in lower case; compared without regard to case."""
    min_chars: int = 0
    max_chars: int = 0
    """The shortest and the longest text that the vendor takes, in characters; 0 is no limit."""
    max_bytes: int = 0
    """The longest text in bytes of UTF-8, where the vendor counts those; 0 is no limit."""
    scope: Takes = ""


Prepare: TypeAlias = Callable[[dict[str, Any]], None]
"""Completes the arguments of one event in place, on the long way and before they are checked. The dict has an entry for
each field's argument (None where nothing was given), and for the event's own id and moment. Raises InvalidEvent."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of event: its name, the JSON that starts it, its fields in wire order. Of ``one_of``, one must be given.

    A public method passes a value for each of the first fields, in order; fields behind those are filled by ``prepare``
    or stay absent.
    """

    name: str
    fields: tuple[Field, ...]
    constants: Mapping[str, Any] = {}
    """Keys and values that each event of this call has, at its beginning: ``{"type": "track"}``."""
    one_of: tuple[str, ...] = ()
    prepare: Prepare | None = None
    inherits: Callable[[Mapping[str, Any]], Collection[str] | None] | None = None
    """Arguments of an event -> what its fields may take of a scope, for a call that stands for events of several kinds.
    None, as its answer as well, is all that they say."""
    public: bool = True
    """Whether the class has a method of this name that does nothing but pass its parameters, named after the fields'
    arguments, on: then the native short cut goes in front of it."""

    @property
    def head(self) -> bytes:
        """The JSON before the message id: the opening brace and the constants."""
        return msgspec.json.encode(self.constants)[:-1]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor's limits. Bytes are those of the uncompressed body as sent, envelope and commas included."""

    max_event_bytes: int
    max_batch_bytes: int
    max_batch_events: int
    max_id_chars: int
    max_text_chars: int = 0
    """Longer texts are cut to so many characters, and counted; 0 is no limit."""
    max_depth: int = 64
    """How many maps and lists may stand inside each other, the event's own fields being the first."""


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt is: the moment it is made, and what stays the same while the same events are sent again."""

    sent_at: float
    """Unix seconds of this very attempt."""
    created_at: float
    """Unix seconds of the first attempt with these events."""
    attempt: int
    """1 for the first attempt."""
    request_id: str
    """A UUID, the same for each attempt with these events."""


class Envelope(msgspec.Struct, frozen=True):
    """What stands around the joined events. The lengths of all three never vary for one client.

    ``event_tail`` overwrites the end of every event in this attempt's copy of the body: RudderStack wants the moment of
    sending in each of them.
    """

    head: bytes
    tail: bytes
    event_tail: bytes = b""

    def __repr__(self) -> str:
        """Tell sizes only: some vendors want the key in here."""
        return f"<Envelope of {len(self.head) + len(self.tail)} bytes>"


class Owner(msgspec.Struct, frozen=True):
    """Whose event it is, for a vendor that slows down single users and devices. Empty: nobody's."""

    user: str = ""
    device: str = ""


class Lanes(msgspec.Struct, frozen=True, kw_only=True):
    """How a vendor that slows down single users wants their events to wait, while those of all others go on."""

    owner: Callable[[bytes], Owner]
    """Whose an event is, from its JSON."""
    max_events: int
    """How many events may wait in lanes; beyond that the oldest end as dropped, reason ``throttled``."""


def retry_count_header(sending: Sending) -> dict[str, str]:
    """The header by which Segment's newest clients number their retries; absent from the first attempt."""
    return {"X-Retry-Count": str(sending.attempt - 1)} if sending.attempt > 1 else {}


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor's page. A client may speak to a variant of it that its options made (``msgspec.structs.replace``)."""

    name: str
    calls: tuple[Call, ...]
    """In the order of the numbers that the public methods push under."""
    hosts: Mapping[str, str]
    """Host by region; the first is the default."""
    path: str
    limits: Limits
    envelope: Callable[[str, Sending], Envelope]
    """(write key, this attempt) -> what stands around its events."""
    headers: Callable[[str, str], dict[str, str]]
    """(write key, version of this package) -> the headers that every request to this vendor carries."""
    judge: Judge
    retry: RetryPolicy
    gzip: bool
    """Whether the vendor's documents or its own newest clients send compressed bodies."""
    attempt_headers: Callable[[Sending], dict[str, str]] = retry_count_header
    """Further headers of one attempt."""
    doubter: Doubter = doubt_json
    """What is to be doubted about a 2xx of this vendor."""
    flush_first: bool = True
    """Whether the first event of a client goes at once."""
    flush_at: int = 20
    flush_interval: float = 10.0
    timeout: float = 15.0
    """Defaults of the options of these names."""
    ids_known_seconds: float = 86_400.0
    """For how long it folds events of the same id into one. A guess where its documents do not say."""
    lanes: Lanes | None = None
    """None: the vendor slows down everybody or nobody."""
    on_retry: Callable[[Response, int, bool], Any] | None = None
    """(response, number, is_last) is told on the callback thread after each retry that one of our back-offs preceded;
    the first is number 0, and ``is_last`` says that no other would follow. Without a response its status is 0."""
    retry_handler: Any | None = None
    """An object of the protocol ``handover.Retry``: it sends and retries in the place of the sender."""
    run_middleware: Callable[[Sequence[Any], dict[str, Any], Any], dict[str, Any] | None] | None = None
    """(functions, event, the call's ``extra``) -> the event to send or None, for a vendor whose documents give
    middleware a form of its own. None: functions from event to event."""
    mapping_calls: Mapping[str, str] = {}
    """Methods that take a whole event as one mapping in wire keys, and the call that each stands for."""
    id_argument: str = "message_id"
    time_argument: str = "timestamp"
    """What the calls name their own id and moment."""
    id_key: str = "messageId"
    id_format: Literal["text", "uuid"] = "text"
    """uuid: the vendor takes nothing else; an id that is none is replaced, and counted."""
    time_key: str = "timestamp"
    time_format: Literal["iso", "epoch_ms"] = "iso"
    given_time_key: str = ""
    """A second key under which a moment that the caller gave is written, too."""
    event_tail: bytes = b""
    """How every event ends, before the envelope's ``event_tail`` overwrites it; without the closing brace."""
    key_name: str = "write_key"
    """What the vendor calls its key, for messages."""

    def envelope_bytes(self, write_key: str) -> int:
        """How many bytes the envelope adds to a body, commas between events not included."""
        around = self.envelope(write_key, Sending(sent_at=0.0, created_at=0.0, attempt=1, request_id=""))
        return len(around.head) + len(around.tail)


def library(version: str) -> bytes:
    """The JSON under which events name the library that sent them."""
    return msgspec.json.encode({"name": LIBRARY_NAME, "version": version})


def iso_milliseconds(unix_seconds: float) -> str:
    """Print a moment as the wire has it, ``2013-01-01T05:00:00.000Z``: always 24 ASCII characters.

    Milliseconds are cut, not rounded, so that a sent time never lies in the future. Moments outside the years 1 to 9999
    are printed as the nearest of them: a broken clock must not change a body's length.
    """
    milliseconds = int(min(max(unix_seconds, -62_135_596_800.0), 253_402_300_799.0) * 1000 // 1)
    moment = time.gmtime(milliseconds // 1000)
    return (
        f"{moment.tm_year:04d}-{moment.tm_mon:02d}-{moment.tm_mday:02d}"
        f"T{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d}.{milliseconds % 1000:03d}Z"
    )
