"""A thousand mixed calls with segment-analytics-python."""

from __future__ import annotations

from segment.analytics.client import Client
from spec import deliver

deliver(Client)
