// posthog-node at `sluiceway dev`.
import { PostHog } from "posthog-node";

const host = `${process.env.SLUICEWAY_DEV ?? "http://127.0.0.1:8765"}/posthog`;
const posthog = new PostHog("any-key", { host });
posthog.capture({ distinctId: "user-1", event: "Item Purchased", properties: { price: 39.95 } });
await posthog.shutdown();
