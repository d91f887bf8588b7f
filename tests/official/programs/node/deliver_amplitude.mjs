// A thousand mixed calls with @amplitude/analytics-node.

import { createRequire } from "node:module";
import { failed, job, moment, properties, report, user } from "./mix.mjs";

const { createInstance, Identify, Revenue } = createRequire(import.meta.url)("@amplitude/analytics-node");
const client = createInstance();
await client.init(job.key, { serverUrl: job.url, ...job.options }).promise;
let accepted = 0;
const results = [];
for (let number = 0; number < job.calls; number += 1) {
  const about = { user_id: user(number), device_id: `device-${number % 11}`, ...(number % 2 ? { time: moment(number).getTime() } : {}) };
  const values = properties(number);
  let result;
  switch (number % 6) {
    case 0: {
      const changes = new Identify().set("plan", "pro").setOnce("first", number).add("visits", 1).append("seen", "ä");
      result = client.identify(changes.unset("old").prepend("last", 1).postInsert("tags", "x"), about);
      break;
    }
    case 1:
      result = client.groupIdentify("company", `company-${number}`, new Identify().set("employees", number), about);
      break;
    case 2:
      result = client.revenue(new Revenue().setPrice(3.99).setQuantity(3).setProductId("tea").setRevenueType("sale"), about);
      break;
    case 3:
      result = client.setGroup("company", ["company-1", "company-2"], about);
      break;
    case 4:
      result = client.track("On a device", values, { device_id: `device-${number}` });
      break;
    default:
      result = client.track(
        {
          event_type: "Item Purchased", event_properties: values, user_properties: { 名: "値" }, groups: { company: "company-1" },
          platform: "Web", os_name: "Debian", app_version: "1.2.3", language: "de", ip: "203.0.113.7", price: 1.5, quantity: 2,
          revenue: 3, productId: "x", session_id: 1_700_000_000_000, location_lat: 47.4, location_lng: 8.5,
        },
        undefined,
        about,
      );
  }
  results.push(result.promise);
}
if (job.flush ?? true) await client.flush().promise;
for (const { code, message } of await Promise.all(results)) {
  if (code === 200) accepted += 1;
  else failed(`${code} ${message}`);
}
report({ accepted });
