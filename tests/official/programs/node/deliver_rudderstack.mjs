// A thousand mixed calls with @rudderstack/rudder-sdk-node.

import Analytics from "@rudderstack/rudder-sdk-node";
import { failed, job, moment, properties, report, user } from "./mix.mjs";

const client = new Analytics(job.key, { dataPlaneUrl: job.url, errorHandler: failed, logLevel: "error", ...job.options });
let accepted = 0;
let ended = 0;
const done = (error) => {
  ended += 1;
  if (error) failed(error);
  else accepted += 1;
};
for (let number = 0; number < job.calls; number += 1) {
  // The client measures its whole queue at every call: where nothing is sent in between, calls get slower and slower.
  if (number % 20 === 0) await new Promise(setImmediate);
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
      client.track({ userId: number, event: "A number is an id", properties: values, ...about }, done);
  }
}
// `flush()` sends one batch, and its promise may be that of another flush: only the callbacks tell when all has ended.
while (ended < job.calls) {
  await client.flush().catch(failed);
  await new Promise((resume) => setTimeout(resume, 5));
}
report({ accepted });
