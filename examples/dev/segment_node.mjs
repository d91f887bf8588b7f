// @segment/analytics-node at `sluiceway dev`. It cuts a path off its host: a prefix goes into `path`.
import { Analytics } from "@segment/analytics-node";

const host = process.env.SLUICEWAY_DEV ?? "http://127.0.0.1:8765";
const analytics = new Analytics({ writeKey: "any-key", host, path: "/segment/v1/batch" });
analytics.track({ userId: "user-1", event: "Item Purchased", properties: { price: 39.95 } });
await analytics.closeAndFlush();
