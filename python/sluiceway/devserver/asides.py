"""What clients ask besides: settings, flags, health. The answers are harmless: no flags, no destinations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sluiceway.devserver.telling import Place

_NO_FLAGS: Mapping[str, Any] = {
    "featureFlags": {},
    "featureFlagPayloads": {},
    "flags": {},
    "errorsWhileComputingFlags": False,
    "sessionRecording": False,
    "supportedCompression": ["gzip", "gzip-js"],
    "config": {"enable_collect_everything": False},
    "isAuthenticated": False,
    "toolbarParams": {},
    "siteApps": [],
    "quotaLimited": [],
    "requestId": "00000000-0000-0000-0000-000000000000",
    "evaluatedAt": 0,
}
_LOCAL_FLAGS: Mapping[str, Any] = {"flags": [], "group_type_mapping": {}, "cohorts": {}}
_REMOTE_CONFIG: Mapping[str, Any] = {
    "supportedCompression": ["gzip", "gzip-js"],
    "hasFeatureFlags": False,
    "captureDeadClicks": False,
    "capturePerformance": False,
    "autocapture_opt_out": True,
    "autocaptureExceptions": False,
    "heatmaps": False,
    "surveys": False,
    "sessionRecording": False,
    "siteApps": [],
    "defaultIdentifiedOnly": True,
}
_SEGMENT_SETTINGS: Mapping[str, Any] = {
    "integrations": {"Segment.io": {"apiKey": "local", "type": "server", "versionSettings": {}}},
    "plan": {"track": {"__default": {"enabled": True, "integrations": {}}}},
    "edgeFunction": {},
    "analyticsNextEnabled": True,
    "middlewareSettings": {},
    "enabledMiddleware": {},
    "metrics": {"sampleRate": 0},
    "legacyVideoPluginsEnabled": False,
}
_SOURCE: Mapping[str, Any] = {
    "source": {
        "id": "local",
        "name": "sluiceway dev",
        "writeKey": "local",
        "enabled": True,
        "config": {"statsCollection": {"errors": {"enabled": False}, "metrics": {"enabled": False}}},
        "destinations": [],
        "connections": [],
        "workspaceId": "local",
        "dataplanes": {},
    }
}

_ASIDES: tuple[tuple[str, re.Pattern[str], Any], ...] = (
    ("posthog", re.compile(r"/(flags|decide)/?"), _NO_FLAGS),
    ("posthog", re.compile(r"(/flags/definitions|/api/feature_flag/local_evaluation)/?"), _LOCAL_FLAGS),
    ("posthog", re.compile(r"/array/[^/]+/config/?"), _REMOTE_CONFIG),
    ("posthog", re.compile(r"/(s|i/v1/(logs|metrics|traces)|api/surveys)/?"), {"status": 1, "surveys": []}),
    ("posthog", re.compile(r"/api/projects/[^/]+/feature_flags/[^/]+/remote_config/?"), None),
    ("segment", re.compile(r"/v1/projects/[^/]+/settings/?"), _SEGMENT_SETTINGS),
    ("segment", re.compile(r"/v1/m/?"), {"success": True}),
    ("rudderstack", re.compile(r"/sourceConfig/?"), _SOURCE),
    ("rudderstack", re.compile(r"/(health|rsaMetrics)/?"), {"server": "UP", "db": "UP"}),
    ("amplitude", re.compile(r"/(config|sr-client-cfg)/?"), {"configs": {}}),
)


_SCRIPT = re.compile(r"/(static/[^/]+|array/[^/]+/(config|array))\.js")


def aside(where: Place) -> tuple[str, bytes] | None:
    """Return the type and the bytes that a client gets at this path; None where there is nothing."""
    if where.vendor in (None, "posthog") and _SCRIPT.fullmatch(where.path):
        return "text/javascript; charset=utf-8", b""
    for vendor, pattern, said in _ASIDES:
        if where.vendor in (None, vendor) and pattern.fullmatch(where.path):
            return "application/json", msgspec.json.encode(said)
    return None
