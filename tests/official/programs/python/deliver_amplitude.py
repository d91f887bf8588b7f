"""A thousand mixed calls with amplitude-analytics."""

from __future__ import annotations

import os
import time
from concurrent.futures import wait

import mix
from amplitude import Amplitude, BaseEvent, Config, EventOptions, Identify, Revenue

ended: list[int] = []


def called_back(_event: BaseEvent, code: int, message: str | None = None) -> None:
    if code != 200:
        mix.failed(f"{code} {message}")
    ended.append(code)


job = mix.job()
config = Config(server_url=job["url"], callback=called_back, **job["options"])
client = Amplitude(job["key"], config)
for number in range(job["calls"]):
    user = f"{job['name']}-user-{number % 97}"
    about = {"time": int(mix.moment(number).timestamp() * 1000)} if number % 2 else {}
    values = mix.properties(number, plain=True)
    options = EventOptions(user_id=user, device_id=f"device-{number % 11}", **about)
    match number % 6:
        case 0:
            changes = Identify().set("plan", "pro").set_once("first", number).add("visits", 1).append("seen", "ä")
            client.identify(changes.unset("old").prepend("last", 1), options)
        case 1:
            client.group_identify("company", f"company-{number}", Identify().set("employees", number))
        case 2:
            client.revenue(Revenue(price=3.99, quantity=3, product_id="tea", revenue_type="sale"), options)
        case 3:
            client.set_group("company", ["company-1", "company-2"], options)
        case 4:
            client.track(BaseEvent("On a device", device_id=f"device-{number}", event_properties=values, **about))
        case _:
            client.track(
                BaseEvent(
                    "Item Purchased",
                    user_id=user,
                    event_properties=values,
                    user_properties={"名": "値"},
                    groups={"company": "company-1"},
                    platform="Web",
                    os_name="Debian",
                    app_version="1.2.3",
                    language="de",
                    ip="203.0.113.7",
                    price=1.5,
                    quantity=2,
                    revenue=3.0,
                    product_id="x",
                    session_id=1_700_000_000_000,
                    event_id=number,
                    location_lat=47.4,
                    location_lng=8.5,
                    **about,
                )
            )
if job.get("flush", True):
    wait(client.flush() or [], 30)
# What is to be sent again has left that flush; at shutdown it would be lost.
until = time.monotonic() + 30
while len(ended) < job["calls"] and time.monotonic() < until:
    time.sleep(0.01)
client.shutdown()
mix.report(accepted=ended.count(200))
os._exit(0)  # its thread sleeps through the flush interval of ten seconds, whatever shutdown() has said
