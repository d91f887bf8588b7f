"""Who issues certificates: the public authorities, and the products that issue their own to read what is inside TLS."""

from __future__ import annotations

# Words in the name of an issuer. The vendors' own hosts have certificates of the first four.
_PUBLIC = (
    *("amazon", "let's encrypt", "google trust services", "digicert", "isrg", "sectigo", "globalsign", "entrust"),
    *("godaddy", "starfield", "comodo", "usertrust", "geotrust", "thawte", "rapidssl", "baltimore", "zerossl"),
    *("microsoft", "cloudflare", "ssl.com", "buypass", "certum", "identrust", "quovadis", "swisssign", "gandi"),
)

_INTERCEPTORS = {
    "zscaler": "Zscaler",
    "netskope": "Netskope",
    "palo alto": "Palo Alto Networks",
    "fortinet": "Fortinet",
    "fortigate": "Fortinet",
    "blue coat": "Blue Coat",
    "bluecoat": "Blue Coat",
    "cisco umbrella": "Cisco Umbrella",
    "opendns": "Cisco Umbrella",
    "sophos": "Sophos",
    "forcepoint": "Forcepoint",
    "websense": "Forcepoint",
    "check point": "Check Point",
    "mcafee": "McAfee",
    "skyhigh": "Skyhigh",
    "barracuda": "Barracuda",
    "watchguard": "WatchGuard",
    "kaspersky": "Kaspersky",
    "eset ssl": "ESET",
    "avast": "Avast",
    "bitdefender": "Bitdefender",
    "mitmproxy": "mitmproxy",
    "portswigger": "Burp",
    "charles proxy": "Charles",
    "fiddler": "Fiddler",
    "proxyman": "Proxyman",
}


def interceptor(issuer: str) -> str:
    """Return the product whose name is in an issuer's; "" for none that is known."""
    lowered = issuer.lower()
    return next((name for word, name in _INTERCEPTORS.items() if word in lowered), "")


def is_public(issuer: str) -> bool:
    """Whether an issuer bears the name of a well-known public authority. Says nothing about trust."""
    lowered = issuer.lower()
    return any(word in lowered for word in _PUBLIC)
