// @rudderstack/rudder-sdk-node at `sluiceway dev`.
import RudderAnalytics from "@rudderstack/rudder-sdk-node";

const dataPlaneUrl = `${process.env.SLUICEWAY_DEV ?? "http://127.0.0.1:8765"}/rudderstack`;
const client = new RudderAnalytics("any-key", { dataPlaneUrl });
client.track({ userId: "user-1", event: "Item Purchased", properties: { price: 39.95 } });
await client.flush();
