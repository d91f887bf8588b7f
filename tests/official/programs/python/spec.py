"""The thousand mixed calls of Segment's and RudderStack's clients, which are one program but for their name."""

from __future__ import annotations

from typing import Any

import mix


def deliver(make: Any) -> None:
    """Make the calls by a client of that class, and report."""
    job = mix.job()
    client = make(job["key"], host=job["url"], on_error=lambda error, _items: mix.failed(error), **job["options"])
    accepted = 0
    for number in range(job["calls"]):
        user = f"{job['name']}-user-{number % 97}"
        about = {"timestamp": mix.moment(number)} if number % 2 else {}
        values = mix.properties(number)
        match number % 8:
            case 0:
                done, _ = client.identify(user, values, context={"ip": "203.0.113.7", "locale": "de-CH"}, **about)
            case 1:
                done, _ = client.page(user, "Docs", "Getting started", values, **about)
            case 2:
                done, _ = client.screen(user, None, "Cart", values, **about)
            case 3:
                done, _ = client.group(user, f"group-{number}", values, **about)
            case 4:
                done, _ = client.alias(f"{user}-before", user, **about)
            case 5:
                done, _ = client.track(None, "Seen Anonymously", values, anonymous_id=f"anonymous-{number}", **about)
            case 6:
                done, _ = client.track(
                    user,
                    "Item Purchased",
                    values,
                    integrations={"All": False, "Amplitude": True},
                    message_id=f"{job['name']}-own-id-{number}",
                    **about,
                )
            case _:
                done, _ = client.track(number + 1, "A number is an id", values, anonymous_id=user, **about)
        accepted += done
    client.flush()
    client.join()
    mix.report(accepted=accepted)
