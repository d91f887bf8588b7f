"""A thousand mixed calls with posthog."""

from __future__ import annotations

import uuid

import mix
from posthog import Posthog

job = mix.job()
client = Posthog(job["key"], host=job["url"], on_error=lambda error, _items: mix.failed(error), **job["options"])
accepted = 0
for number in range(job["calls"]):
    user = f"{job['name']}-user-{number % 97}"
    about = {"timestamp": mix.moment(number)} if number % 2 else {}
    values = mix.properties(number)
    match number % 8:
        case 0:
            done = client.set(distinct_id=user, properties=values, **about)
        case 1:
            done = client.set_once(distinct_id=user, properties=values, **about)
        case 2:
            done = client.alias(f"{user}-before", user, **about)
        case 3:
            done = client.group_identify("company", f"company-{number}", values, **about)
        case 4:
            done = client.capture("nobody in particular", properties=values, **about)
        case 5:
            done = client.capture(
                "$pageview",
                distinct_id=user,
                properties={**values, "$current_url": "https://example.com/ä"},
                groups={"company": "company-1"},
                **about,
            )
        case 6:
            done = client.capture("purchase", distinct_id=user, properties=values, uuid=str(uuid.uuid4()), **about)
        case _:
            done = client.capture("a number is an id", distinct_id=number + 1, properties=values, **about)
    accepted += done is not None
client.flush(30)
client.shutdown()
mix.report(accepted=accepted)
