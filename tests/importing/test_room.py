"""A client whose queue is smaller than a chunk: it is waited for, and a stop is noticed while it is."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from sluiceway.importing.accounting import Summary
from sluiceway.importing.clients import Destination
from sluiceway.importing.files import Files
from sluiceway.importing.mapping import Mapping
from sluiceway.importing.progress import Silent
from sluiceway.importing.running import Job, run
from sluiceway.secret import Secret
from sluiceway.testing import Answer, Receiver


def made(place: Path, url: str, **options: float) -> Job:
    path = place / "rows.jsonl"
    path.write_text("".join(json.dumps({"who": f"user-{n}"}) + "\n" for n in range(1_000)))
    mapping = Mapping(event_name="E", user_id="who")
    return Job(
        files=Files([str(path)], mapping, vendor="segment"),
        mapping=mapping,
        to=Destination(
            vendor="segment", key=Secret("k" * 20), host=url, options={"max_queue_events": 300, "max_batch_events": 100}
        ),
        checkpoint=place / "checkpoint",
        rejects=place / "rejects",
        **options,
    )


def carried_out(job: Job) -> Summary:
    with closing(job.files):
        return run(job, Silent())


@pytest.mark.parametrize("delay", [0.0, 0.7])
def test_a_full_queue_is_waited_for(tmp_path: Path, delay: float) -> None:
    # Longer than what the client itself waits at a time.
    with Receiver([Answer(delay=delay)] * 3, vendor="segment") as receiver:
        summary = carried_out(made(tmp_path, receiver.url))
        assert (receiver.ids, receiver.stats().events) == (1_000, 1_000)
    assert summary.exit_code == 0
    assert (summary.rows, summary.delivered, summary.is_balanced) == (1_000, 1_000, True)


def test_a_stop_is_noticed_while_a_queue_is_full(tmp_path: Path) -> None:
    with Receiver(default=503, vendor="segment") as receiver:
        summary = carried_out(made(tmp_path, receiver.url, max_outage_seconds=1.0))
        assert (summary.stopped, summary.exit_code, summary.is_balanced) == ("outage", 3, True)
        assert summary.rows == summary.sent == summary.left == 300
        job = made(tmp_path, receiver.url)
        job.resume = True
        receiver.answer(*[200] * 20)
        again = carried_out(job)
        assert (again.exit_code, again.rows, receiver.ids) == (0, 1_000, 1_000)
