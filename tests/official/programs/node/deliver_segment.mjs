// A thousand mixed calls with @segment/analytics-node.

import { Analytics } from "@segment/analytics-node";
import { failed, job, moment, properties, report, user } from "./mix.mjs";

const client = new Analytics({ writeKey: job.key, host: job.url, ...job.options });
client.on("error", failed);
let accepted = 0;
const done = (error) => (error ? failed(error) : (accepted += 1));
for (let number = 0; number < job.calls; number += 1) {
  const userId = user(number);
  const about = number % 2 ? { timestamp: moment(number) } : {};
  const values = properties(number);
  switch (number % 8) {
    case 0:
      client.identify({ userId, traits: values, context: { ip: "203.0.113.7", locale: "de-CH" }, ...about }, done);
      break;
    case 1:
      client.page({ userId, category: "Docs", name: "Getting started", properties: values, ...about }, done);
      break;
    case 2:
      client.screen({ userId, name: "Cart", properties: values, ...about }, done);
      break;
    case 3:
      client.group({ userId, groupId: `group-${number}`, traits: values, ...about }, done);
      break;
    case 4:
      client.alias({ userId, previousId: `${userId}-before`, ...about }, done);
      break;
    case 5:
      client.track({ anonymousId: `anonymous-${number}`, event: "Seen Anonymously", properties: values, ...about }, done);
      break;
    case 6:
      client.track(
        { userId, event: "Item Purchased", properties: values, integrations: { All: false }, messageId: `${job.name}-own-id-${number}`, ...about },
        done,
      );
      break;
    default:
      client.track({ userId, anonymousId: `anonymous-${number}`, event: "Both ids", properties: values, ...about }, done);
  }
}
await client.closeAndFlush({ timeout: 40_000 });
report({ accepted });
