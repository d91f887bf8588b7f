"""A thousand mixed calls with rudder-sdk-python."""

from __future__ import annotations

from rudderstack.analytics.client import Client
from spec import deliver

deliver(Client)
