// A thousand mixed calls with posthog-node.

import { randomUUID } from "node:crypto";
import { PostHog } from "posthog-node";
import { failed, job, moment, properties, report, user } from "./mix.mjs";

const client = new PostHog(job.key, { host: job.url, ...job.options });
client.on("error", failed);
let accepted = 0;
client.on("flush", (events) => (accepted += events.length));
for (let number = 0; number < job.calls; number += 1) {
  const distinctId = user(number);
  const about = number % 2 ? { timestamp: moment(number) } : {};
  const values = properties(number);
  switch (number % 7) {
    case 0:
      client.identify({ distinctId, properties: { $set: values, $set_once: { first: number } } });
      break;
    case 1:
      client.identify({ distinctId, properties: values });
      break;
    case 2:
      client.alias({ distinctId, alias: `${distinctId}-before` });
      break;
    case 3:
      client.groupIdentify({ groupType: "company", groupKey: `company-${number}`, properties: values });
      break;
    case 4:
      client.capture({ event: "nobody in particular", properties: values, ...about });
      break;
    case 5:
      client.capture({
        distinctId, event: "$pageview", properties: { ...values, $current_url: "https://example.com/ä" },
        groups: { company: "company-1" }, ...about,
      });
      break;
    default:
      client.capture({ distinctId, event: "purchase", properties: values, uuid: randomUUID(), ...about });
  }
}
await client.shutdown(40_000);
report({ accepted });
