"""Makes the pictures of the page in docs/: a shop's events arrive for two minutes, and some of them fare badly."""

from __future__ import annotations

import argparse
import json
import math
import random
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from sluiceway import Amplitude, PostHog, RudderStack, Segment
from sluiceway.devserver import DevServer

from .chromium import ARGUMENTS, find_chromium

DOCS = Path(__file__).resolve().parents[2] / "docs"
MOST_BYTES = 250_000
PAGES = ["/", "/pricing", "/products/desk-lamp", "/cart", "/checkout"]
PRODUCTS = [("lamp-7", "Desk Lamp", 39.95), ("mug-2", "Enamel Mug", 12.5), ("chair-1", "Reading Chair", 349.0)]


class Shop:
    """Sends what a shop sends, through a client of each vendor."""

    def __init__(self, url: str, seed: int) -> None:
        self.url = url
        self.chance = random.Random(seed)
        options = {"flush_interval": 0.2, "flush_at": 8}
        self.segment = Segment("dev", host=f"{url}/segment", **options)
        self.rudderstack = RudderStack("dev", f"{url}/rudderstack", **options)
        self.posthog = PostHog("phc_dev", host=f"{url}/posthog", **options)
        self.amplitude = Amplitude("dev", server_url=f"{url}/amplitude/2/httpapi")

    def visit(self) -> None:
        """Track one thing that a visitor does."""
        chance = self.chance
        user = f"user-{chance.randint(1000, 1400)}"
        sku, name, price = chance.choice(PRODUCTS)
        bought = {"order_id": f"o-{chance.randint(10**5, 10**6)}", "revenue": price, "currency": "EUR", "sku": sku}
        act = chance.random()
        if act < 0.3:
            self.segment.page(user, "Shop", chance.choice(PAGES), {"referrer": "https://example.com/"})
        elif act < 0.45:
            self.segment.track(user, "Product Viewed", {"sku": sku, "name": name, "price": price})
        elif act < 0.6:
            self.rudderstack.track(user, "Product Added", bought)
        elif act < 0.75:
            self.posthog.capture("checkout started", distinct_id=user, properties=bought)
        elif act < 0.9:
            self.amplitude.track("Search Performed", user_id=user, event_properties={"query": name, "results": 12})
        else:
            self.segment.identify(user, {"plan": "pro", "email": f"{user}@example.com", "seats": chance.randint(1, 9)})

    def mishaps(self) -> None:
        """Send what clients send by mistake: no ids, the same id twice, a time in the future."""
        lost = {"batch": [{"type": "track", "event": "Newsletter Opened", "messageId": "n-1"}], "writeKey": "dev"}
        headers = {"Content-Type": "application/json", "User-Agent": "shop-backend/1.4"}
        request = urllib.request.Request(f"{self.url}/segment/v1/batch", json.dumps(lost).encode(), headers)
        urllib.request.urlopen(request, timeout=5).close()
        later = datetime.now(timezone.utc) + timedelta(days=1)
        self.segment.track("user-1102", "Trial Ends", {"plan": "pro"}, timestamp=later)
        for _ in range(2):
            self.rudderstack.track("user-1203", "Order Refunded", {"order_id": "o-4711"}, message_id="refund-4711")
            self.rudderstack.flush(timeout=5)
        self.posthog.capture("signed up", distinct_id="anonymous", properties={"plan": "free"})

    def order(self) -> None:
        """Complete the order that the picture shows in full."""
        self.segment.track(
            "user-1207",
            "Order Completed",
            {
                "order_id": "o-733821",
                "revenue": 402.45,
                "currency": "EUR",
                "coupon": "SPRING",
                "products": [{"sku": sku, "name": name, "price": price} for sku, name, price in PRODUCTS],
                "shipping_address": {"city": "Lisbon"},
            },
        )

    def close(self) -> None:
        for client in (self.segment, self.rudderstack, self.posthog, self.amplitude):
            client.close(timeout=5)


def traffic(server: DevServer, shop: Shop, page: Page, seconds: float) -> None:
    """Let the shop have visitors for so long, in waves; then an order that arrives at its second attempt."""
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        per_second = (
            9 + 6 * math.sin(now / 7) + 5 * math.sin(now / 2.3) + 14 * math.exp(-(((now - seconds * 0.6) / 3) ** 2))
        )
        if shop.chance.random() < per_second / 20:
            shop.visit()
        if int(now * 20) % (20 * 20) == 60:
            shop.mishaps()
        time.sleep(1 / 20)
    shop.mishaps()
    inject(page, {"kind": "status_503", "times": 1, "vendor": "segment", "retry_after": 1})
    shop.order()
    expect(page.locator(".row", has_text="Order Completed")).to_have_count(2, timeout=15_000)
    inject(page, {"kind": "status_429", "percent": 30, "vendor": "posthog", "retry_after": 2})
    for _ in range(7):
        shop.visit()
        time.sleep(0.2)


def inject(page: Page, fault: dict[str, object]) -> None:
    page.evaluate(
        "(fault) => fetch('api/faults', {method: 'POST', headers: {'X-Sluiceway': '1'}, body: JSON.stringify(fault)})",
        fault,
    )


def main() -> None:
    """Make both pictures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument(
        "--seconds", type=float, default=115, help="how long events arrive before the pictures are taken"
    )
    asked.add_argument("--into", type=Path, default=DOCS)
    given = asked.parse_args()
    path = find_chromium()
    if path is None:
        raise SystemExit("there is no Chromium: apt-get install chromium")
    with DevServer(port=0) as server, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = chromium.new_page(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
        page.goto(server.page)
        shop = Shop(server.url, seed=20131231)
        try:
            traffic(server, shop, page, given.seconds)
            page.locator(".row", has_text="Order Completed").first.click()
            expect(page.locator(".attempts tbody tr")).to_have_count(2)
            page.mouse.move(640, 2)
            save(page, given.into / "dev-page-wide.png")
            narrow = chromium.new_page(
                viewport={"width": 390, "height": 844},
                device_scale_factor=2,
                color_scheme="dark",
                reduced_motion="reduce",
            )
            narrow.goto(server.page)
            expect(narrow.locator(".row").first).to_be_visible()
            save(narrow, given.into / "dev-page-narrow.png")
        finally:
            shop.close()
            chromium.close()


def save(page: Page, path: Path) -> None:
    page.screenshot(path=path)
    size = path.stat().st_size
    print(f"{path.name}: {size:,} bytes")
    if size > MOST_BYTES:
        raise SystemExit(f"{path.name} is larger than {MOST_BYTES:,} bytes")


if __name__ == "__main__":
    main()
