"""What the environment does to a client: switches, proxies, authorities, and the host that the process runs under."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

from sluiceway import proxy
from sluiceway.checking.finding import Finding, fail, ok, warn
from sluiceway.checking.target import Target
from sluiceway.client import DISABLED_VARIABLE
from sluiceway.errors import ConfigError

_TRUE = ("1", "true", "yes", "on")
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_OF_OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")

# What a function host sets; the sandbox freezes between two calls, and a thread's work with it.
_FUNCTIONS = {
    "AWS_LAMBDA_FUNCTION_NAME": "AWS Lambda",
    "FUNCTIONS_WORKER_RUNTIME": "Azure Functions",
    "FUNCTION_TARGET": "Google Cloud Functions",
}


def look(target: Target, environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Say what of the environment a client will notice, and what somebody may think that it does. Opens nothing."""
    findings = [
        *_switches(environ),
        *_proxies(target, environ),
        *_authorities(target, environ),
        *_hosts(environ),
    ]
    yield from findings or [ok("environment", "nothing in it changes what a client does")]


def _switches(environ: Mapping[str, str]) -> Iterator[Finding]:
    if environ.get(DISABLED_VARIABLE, "").lower() in _TRUE:
        yield fail(
            "environment", f"{DISABLED_VARIABLE} is set: every call is a no-op", "Unset it where events are wanted."
        )
    if environ.get("DO_NOT_TRACK", "").lower() in _TRUE:
        yield ok("environment", "DO_NOT_TRACK is set; the client sends all the same: that is the program's to decide")


def _proxies(target: Target, environ: Mapping[str, str]) -> Iterator[Finding]:
    try:
        named = proxy.from_environment(target.options.endpoint, environ)
    except ConfigError as error:
        yield warn("environment", f"{error.field} {error.message}", "A client with trust_env=True refuses it.")
        return
    used = target.options.proxy
    if used is not None:
        yield ok("environment", f"requests go through the proxy {used.host}:{used.port}")
    elif named is not None:
        yield warn(
            "environment",
            f"a proxy is named ({named.host}:{named.port}), and a client does not use it unless it is told to",
            "Where there is no other way out: give the client trust_env=True, and this command --trust-env.",
        )


def _authorities(target: Target, environ: Mapping[str, str]) -> Iterator[Finding]:
    if target.options.endpoint.scheme != "https":
        return
    if target.options.ssl_context is not None:
        yield ok("environment", "the certificate authorities are those of ca_certs alone")
        return
    for name in _AUTHORITIES:
        path = environ.get(name)
        if path and not os.path.exists(path):
            yield fail("environment", f"{name} names a path that is not there", "Unset it, or put it right.")
        elif path:
            yield ok("environment", f"{name} says which certificate authorities are trusted")
    if not any(environ.get(name) for name in _AUTHORITIES):
        for name in _OF_OTHERS:
            if environ.get(name):
                yield warn(
                    "environment",
                    f"{name} is set, which this client does not read",
                    "If the network needs that file: set SSL_CERT_FILE to it, or give the client ca_certs.",
                )


def _hosts(environ: Mapping[str, str]) -> Iterator[Finding]:
    for name, host in _FUNCTIONS.items():
        if name in environ:
            yield warn(
                "environment",
                f"{host}: the process is frozen between two calls, and the client's thread with it",
                "Make the client with sync=True, or flush() before each call returns (docs/hosts.md).",
            )
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and not getattr(uwsgi, "has_threads", True):
        yield fail("environment", "uWSGI without threads: events wait for later requests", "Set enable-threads = true.")
    elif "UWSGI_ORIGINAL_PROC_NAME" in environ or uwsgi is not None:
        yield warn(
            "environment",
            "uWSGI: before 2.0.27 it runs no thread of Python's unless it is told to",
            "Set enable-threads = true (docs/hosts.md).",
        )
