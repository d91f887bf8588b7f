"""What the answers to the probes mean: whether the key may send, and whether compressed bodies are read. Pure."""

from __future__ import annotations

from sluiceway.checking.finding import Finding, fail, ok, skipped, warn
from sluiceway.checking.target import Target
from sluiceway.transport import Response, TransportError
from sluiceway.verdict import Delivered, Retry, Throttled, Unauthorized, Verdict

Answer = Response | TransportError


def permission(target: Target, answer: Answer, *, now: float) -> Finding:
    """Say whether the key may send. `now` is Unix seconds."""
    if isinstance(answer, TransportError):
        return fail("permission", f"no answer to the probe: {answer.kind}", "What was found above is why, or passes.")
    verdict = target.page.judge(answer.status, answer.headers, answer.body, now=now)
    name = target.page.name
    if name == "posthog":
        # The flags service is not what the page's judge knows.
        return _flags(answer)
    if isinstance(verdict, Unauthorized):
        return _refused(name, answer)
    if name == "rudderstack" and answer.status == 400 and b"empty batch" in answer.body:
        return ok("permission", 'RudderStack knows the key: status 400, "empty batch payload"')
    if isinstance(verdict, Retry | Throttled):
        return warn(
            "permission",
            f"{_TITLES[name]} has no time for it now: status {answer.status}",
            "The key may be right. Ask again later.",
        )
    if isinstance(verdict, Delivered):
        return _taken(target, answer, verdict)
    return fail("permission", f"the probe was refused: status {answer.status}", _IS_IT[name])


def compressed(target: Target, plain: Answer, packed: Answer) -> Finding:
    """Say whether a compressed body is read: it is answered as the same body is that is not compressed."""
    if isinstance(plain, TransportError) or isinstance(packed, TransportError):
        return warn("gzip", "no answer to the probe", "")
    if plain.status in (401, 403, 404):
        return skipped("gzip", f"the plain batch was refused already (status {plain.status})")
    if plain.status == 429 or plain.status >= 500:
        return skipped("gzip", f"there was no verdict on the plain batch (status {plain.status})")
    if (plain.status, plain.body) == (packed.status, packed.body):
        return ok("gzip", f"a compressed body is read as a plain one is (status {packed.status})")
    seen = f"status {plain.status} to a plain body, {packed.status} to the same one compressed"
    if packed.status == 415:
        return warn("gzip", seen, "The client notices that by itself; gzip=False spares it the first try.")
    return fail("gzip", seen, f"Give the client gzip=False: {_TITLES[target.page.name]} there reads no gzip.")


_TITLES = {"segment": "Segment", "rudderstack": "RudderStack", "posthog": "PostHog", "amplitude": "Amplitude"}
_IS_IT = {
    "segment": "Is this the host of your workspace's region?",
    "rudderstack": "Is this the data plane URL, and not the address of the dashboard?",
    "posthog": "Is this the ingestion host of your project's region?",
    "amplitude": "Is this the server zone of your project?",
}


def _refused(name: str, answer: Response) -> Finding:
    status = answer.status
    if name == "rudderstack" and status == 404:
        if b"disabled" in answer.body:
            return fail("permission", "status 404: the source is switched off", "Switch it on in the dashboard.")
        return fail("permission", "status 404", _IS_IT[name])
    if name == "amplitude":
        todo = (
            "Copy the API Key, not the Secret Key, which looks the same; a project of the EU needs --server-zone EU, "
            'and the client server_zone="EU".'
        )
        return fail("permission", f"Amplitude knows no project with this key (status {status})", todo)
    return fail("permission", f"{_TITLES[name]} refuses the key: status {status}", "Copy it again from the dashboard.")


def _taken(target: Target, answer: Response, _verdict: Verdict) -> Finding:
    name = target.page.name
    if target.page.doubter(answer.status, answer.headers, answer.body, 0 if name == "rudderstack" else 1):
        return warn("permission", f"status {answer.status}, and not in the words of {_TITLES[name]}", _IS_IT[name])
    if name == "segment":
        return warn(
            "permission",
            f"status {answer.status}: Segment took the event, as it does whatever the key is",
            "Look for the event 'sluiceway doctor' in the source's Debugger. If it is not there in a minute, the key "
            "is another source's, or the workspace is of another region (--region eu).",
        )
    return ok("permission", f"{_TITLES[name]} took the probe: status {answer.status}")


def _flags(answer: Response) -> Finding:
    status = answer.status
    if status == 200 and answer.body.lstrip().startswith(b"{"):
        return ok("permission", "PostHog knows the key: status 200 from its flags service")
    if status in (401, 403):
        return fail(
            "permission",
            f"PostHog knows no project with this key (status {status})",
            "Copy the project API key again; a project of the EU needs region eu. PostHog would take events with this "
            "key all the same, answer 200, and drop them.",
        )
    if status == 429 or status >= 500:
        return warn("permission", f"PostHog has no time for it now: status {status}", "Ask again later.")
    return warn(
        "permission",
        f"no flags service here (status {status}), and PostHog's capture takes any key",
        "Send an event, and look for it under Activity.",
    )
