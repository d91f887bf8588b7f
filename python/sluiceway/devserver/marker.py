"""Is this a production machine? The environment says so in a few well-known ways."""

from __future__ import annotations

from collections.abc import Mapping

_STAGES = (
    *("ENV", "APP_ENV", "ENVIRONMENT", "STAGE", "DEPLOYMENT_ENVIRONMENT", "NODE_ENV", "RAILS_ENV", "FLASK_ENV"),
    *("DJANGO_ENV", "PYTHON_ENV", "SENTRY_ENVIRONMENT", "DD_ENV", "VERCEL_ENV"),
)
_PRODUCTION = frozenset({"production", "prod", "live"})

# There are no such machines for development.
_PLATFORMS = (
    *("KUBERNETES_SERVICE_HOST", "AWS_LAMBDA_FUNCTION_NAME", "AWS_EXECUTION_ENV", "ECS_CONTAINER_METADATA_URI"),
    *("ECS_CONTAINER_METADATA_URI_V4", "K_SERVICE", "FUNCTION_TARGET", "WEBSITE_INSTANCE_ID", "DYNO", "FLY_APP_NAME"),
    *("RENDER_SERVICE_ID", "RAILWAY_ENVIRONMENT_ID"),
)


def production_marker(environ: Mapping[str, str]) -> str | None:
    """Return what in the environment speaks of production, as `NAME=value` or a name; None if nothing does."""
    for name in _STAGES:
        if environ.get(name, "").strip().lower() in _PRODUCTION:
            return f"{name}={environ[name]}"
    return next((name for name in _PLATFORMS if environ.get(name)), None)
