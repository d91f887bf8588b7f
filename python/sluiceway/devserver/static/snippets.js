// The first lines of code for each client, with this server's address in them.

const TRACK_OURS = {
  segment: `client.track("user-1", "Item Purchased", {"revenue": 39.95})`,
  rudderstack: `client.track("user-1", "Item Purchased", {"revenue": 39.95})`,
  posthog: `client.capture("Item Purchased", distinct_id="user-1", properties={"revenue": 39.95})`,
  amplitude: `client.track("Item Purchased", user_id="user-1", event_properties={"revenue": 39.95})`,
};

const ours = (name, given, track) => `from sluiceway import ${name}

with ${name}(${given}) as client:
    ${track}`;

/** Per tab: blocks of a title (the package and how it is had) and its code. `url` has no slash at its end. */
export const snippets = (url) => ({
  sluiceway: [
    { title: "Segment", code: ours("Segment", `"dev", host="${url}/segment"`, TRACK_OURS.segment) },
    { title: "RudderStack", code: ours("RudderStack", `"dev", "${url}/rudderstack"`, TRACK_OURS.rudderstack) },
    { title: "PostHog", code: ours("PostHog", `"phc_dev", host="${url}/posthog"`, TRACK_OURS.posthog) },
    {
      title: "Amplitude",
      code: ours("Amplitude", `"dev", server_url="${url}/amplitude/2/httpapi"`, TRACK_OURS.amplitude),
    },
  ],
  Segment: [
    {
      title: "Python · pip install segment-analytics-python",
      code: `from segment.analytics import Client

client = Client("dev", host="${url}/segment")
client.track("user-1", "Item Purchased", {"revenue": 39.95})
client.shutdown()`,
    },
    {
      title: "Node · npm install @segment/analytics-node",
      code: `const { Analytics } = require("@segment/analytics-node");

const client = new Analytics({ writeKey: "dev", host: "${url}", path: "/segment/v1/batch" });
client.track({ userId: "user-1", event: "Item Purchased", properties: { revenue: 39.95 } });
client.closeAndFlush();`,
    },
  ],
  RudderStack: [
    {
      title: "Python · pip install rudder-sdk-python",
      code: `import rudderstack.analytics as rudder

rudder.write_key = "dev"
rudder.dataPlaneUrl = "${url}/rudderstack"
rudder.track("user-1", "Item Purchased", {"revenue": 39.95})
rudder.shutdown()`,
    },
    {
      title: "Node · npm install @rudderstack/rudder-sdk-node",
      code: `const Analytics = require("@rudderstack/rudder-sdk-node");

const client = new Analytics("dev", { dataPlaneUrl: "${url}/rudderstack" });
client.track({ userId: "user-1", event: "Item Purchased", properties: { revenue: 39.95 } });
client.flush();`,
    },
  ],
  PostHog: [
    {
      title: "Python · pip install posthog",
      code: `from posthog import Posthog

client = Posthog("phc_dev", host="${url}/posthog")
client.capture("Item Purchased", distinct_id="user-1", properties={"revenue": 39.95})
client.shutdown()`,
    },
    {
      title: "Node · npm install posthog-node",
      code: `const { PostHog } = require("posthog-node");

const client = new PostHog("phc_dev", { host: "${url}/posthog" });
client.capture({ distinctId: "user-1", event: "Item Purchased", properties: { revenue: 39.95 } });
client.shutdown();`,
    },
  ],
  Amplitude: [
    {
      title: "Python · pip install amplitude-analytics",
      code: `from amplitude import Amplitude, BaseEvent

client = Amplitude("dev")
client.configuration.server_url = "${url}/amplitude/2/httpapi"
client.track(BaseEvent("Item Purchased", user_id="user-1", event_properties={"revenue": 39.95}))
client.shutdown()`,
    },
    {
      title: "Node · npm install @amplitude/analytics-node",
      code: `const { init, track, flush } = require("@amplitude/analytics-node");

init("dev", { serverUrl: "${url}/amplitude/2/httpapi" }).promise.then(() => {
  track("Item Purchased", { revenue: 39.95 }, { user_id: "user-1" });
  flush();
});`,
    },
  ],
  curl: [
    {
      title: "No client at all",
      code: `curl ${url}/segment/v1/track -u dev: -H 'Content-Type: application/json' \\
  -d '{"userId": "user-1", "event": "Item Purchased", "properties": {"revenue": 39.95}}'`,
    },
  ],
});
