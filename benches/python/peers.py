"""The other packages: the adapters of `sluiceway bench`, and one more for scale."""

from __future__ import annotations

from typing import Any

from sluiceway.measuring import peers
from sluiceway.measuring.adapter import KEY, Adapter


class MixpanelPython(Adapter):
    """mixpanel with its BufferedConsumer: no thread; every 50th call sends, on the caller's time."""

    imported = "from mixpanel import BufferedConsumer, Mixpanel"
    threaded = False

    def make(self, url: str, setting: str, batch_events: int) -> Any:
        from mixpanel import BufferedConsumer, Mixpanel

        self.consumer = BufferedConsumer(events_url=url + "/track", request_timeout=15)
        if setting == "idle":
            self.consumer._max_size = 1_000_000_000  # capped at 50 by its constructor
        return Mixpanel(KEY, consumer=self.consumer)

    def forget(self) -> int:
        held = len(self.consumer._buffers["events"])
        self.consumer._buffers["events"] = []
        return held

    def drain(self) -> None:
        self.consumer.flush()

    def close(self) -> None:
        self.consumer.flush()


PEERS: dict[str, type[Adapter]] = {**peers.PEERS, "mixpanel": MixpanelPython}
