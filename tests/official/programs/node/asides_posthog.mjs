// What else posthog-node can send and ask for: flags, AI events, exceptions, one event at a time.

import { PostHog } from "posthog-node";
import { failed, job, report } from "./mix.mjs";

const client = new PostHog(job.key, { host: job.url, personalApiKey: "phx_none", ...job.options });
client.on("error", failed);
const warn = console.warn;
console.warn = (text, ...more) => (String(text).includes("deprecated") ? undefined : warn(text, ...more));
const flag = (await client.getFeatureFlag("beta", "user-1")) ?? null;
const flags = await client.getAllFlags("user-1");
await client.getRemoteConfigPayload("beta");
client.captureAi({ distinctId: "user-1", event: "$ai_generation", properties: { $ai_trace_id: "1" } });
client.captureException(new Error("none"), "user-1");
await client.captureImmediate({ distinctId: "user-1", event: "at once" });
await client.shutdown(30_000);
report({ flag, flags });
