// @amplitude/analytics-node at `sluiceway dev`. Its serverUrl is the whole address, path included.
import { flush, init, track } from "@amplitude/analytics-node";

const serverUrl = `${process.env.SLUICEWAY_DEV ?? "http://127.0.0.1:8765"}/amplitude/2/httpapi`;
await init("any-key", { serverUrl }).promise;
track("Item Purchased", { price: 39.95 }, { user_id: "user-1" });
await flush().promise;
