"""Wire events of all four vendors for the tests of the kit: ordinary ones, hostile ones, and hypothesis' own."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

HOSTILE = [
    "'",
    '"',
    "'''",
    '"""',
    "\\",
    "\\'",
    "\n",
    "\r\n",
    "\x00",
    "\u2028\u2029",
    "\u202e\u2066",
    "\ud800",
    "{x}",
    "%s",
    "#",
    "')\nimport os; os.abort() #",
    '")\nraise SystemExit(1) #',
    "__import__('os').abort()",
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert('1')>",
    "'); DROP TABLE events; --",
    "\u202edef test():",
    "\N{BOM}coding: utf-7",
    "f'{1/0}'",
    "é\u0301ü購入🎉",
]

texts = st.text(max_size=20) | st.sampled_from(HOSTILE) | st.characters(categories=["Cs", "Cf", "Cc", "Zl", "Zp"])
ids = st.text(min_size=1, max_size=20) | st.sampled_from(HOSTILE) | st.integers()
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.sampled_from([10**400, -(10**400), 2**63])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
maps = st.dictionaries(texts, values, max_size=5)
anything = maps | values
times = st.datetimes().map(lambda moment: moment.isoformat() + "Z") | anything


def _fitting(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


spec = _fitting(
    {"type": st.sampled_from(["track", "identify", "page", "screen", "group", "alias"])},
    {
        "event": texts,
        "name": texts,
        "category": texts,
        "userId": ids,
        "anonymousId": ids,
        "groupId": ids,
        "previousId": ids,
        "properties": maps,
        "traits": maps,
        "context": maps,
        "timestamp": times,
        "messageId": ids,
    },
)
posthog = _fitting(
    {
        "event": texts
        | st.sampled_from(["$identify", "$set", "$pageview", "$groupidentify", "$create_alias", "$screen"])
    },
    {
        "distinct_id": ids,
        "properties": _fitting(
            {},
            {
                "$lib": texts,
                "$set": maps,
                "$set_once": maps,
                "$groups": st.dictionaries(texts, texts, max_size=2),
                "$group_type": texts,
                "$group_key": ids,
                "$group_set": maps,
                "alias": ids,
                "$process_person_profile": st.booleans(),
                "$current_url": texts,
            },
        ).flatmap(lambda said: maps.map(lambda more: {**more, **said})),
        "$set": maps,
        "uuid": ids,
        "timestamp": times,
        "options": anything,
    },
)
amplitude = _fitting(
    {"event_type": texts | st.sampled_from(["$identify", "$groupidentify", "revenue_amount"])},
    {
        "user_id": ids,
        "device_id": ids,
        "event_properties": maps,
        "user_properties": maps | st.fixed_dictionaries({"$set": maps, "$setOnce": maps, "$add": maps}),
        "group_properties": maps,
        "groups": maps,
        "time": st.integers() | anything,
        "insert_id": ids,
        "price": scalars,
        "revenue": scalars,
        "productId": texts,
        "platform": texts,
    },
)
by_vendor = {"segment": spec, "rudderstack": spec, "posthog": posthog, "amplitude": amplitude}
broken = st.dictionaries(
    st.sampled_from(
        ["type", "event", "event_type", "properties", "context", "userId", "user_id", "distinct_id", "groups", "traits"]
    ),
    anything,
)
