"""What else posthog (Python) can send and ask for: flags, AI events, exceptions, metrics, one event at a time."""

from __future__ import annotations

import warnings

import mix
from posthog import Posthog

warnings.simplefilter("ignore", DeprecationWarning)
job = mix.job()
client = Posthog(
    job["key"],
    host=job["url"],
    on_error=lambda error, _items: mix.failed(error),
    secret_key="phx_none",
    poll_interval=1,
    **job["options"],
)
flag = client.get_feature_flag("beta", "user-1")
flags = client.get_all_flags("user-1")
client.get_remote_config_payload("beta")
client.capture_ai("$ai_generation", distinct_id="user-1", properties={"$ai_trace_id": "1", "$ai_model": "m"})
client.capture_exception(ValueError("none"), distinct_id="user-1")
client.metrics.count("jobs", 1)
client.flush(30)
client.shutdown()
at_once = Posthog(job["key"], host=job["url"], sync_mode=True)
at_once.capture("at once", distinct_id="user-1")
at_once.shutdown()
mix.report(flag=flag, flags=flags)
