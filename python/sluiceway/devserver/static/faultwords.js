// The faults that the server can inject, in words, and which settings each has.

/** `uses`: settings of its form beyond when and for whom; `vendor`: the only one whose client understands it. */
export const FAULTS = {
  status_429: {
    name: "429 Too Many Requests",
    text: "The client should wait for Retry-After, then send again.",
    uses: ["retry_after"],
  },
  status_500: {
    name: "500 Internal Server Error",
    text: "The client should back off and send again.",
    uses: ["retry_after"],
  },
  status_503: {
    name: "503 Service Unavailable",
    text: "As a deploy or an overload answers; with Retry-After, if it is not 0.",
    uses: ["retry_after"],
  },
  status_413: { name: "413 Payload Too Large", text: "The client should split its batch.", uses: [] },
  status_400: {
    name: "400 Bad Request",
    text: "Refused for good: a client that sends it again and again is at fault.",
    uses: [],
  },
  status_401: {
    name: "401 Unauthorized",
    text: "As for a wrong key: no event gets through until it is removed.",
    uses: [],
  },
  amplitude_indexes: {
    name: "Amplitude: 400 that names events",
    text: "The named places of the batch are refused; the rest should be sent again.",
    uses: ["indexes"],
    vendor: "amplitude",
  },
  amplitude_throttle: {
    name: "Amplitude: 429 that names users",
    text: "The users at these places of the batch are throttled; the others should go on.",
    uses: ["indexes"],
    vendor: "amplitude",
  },
  posthog_results: {
    name: "PostHog V1: drop or retry by event",
    text: "Of capture V1 only: the event at the first place is dropped, those at the others are wanted again.",
    uses: ["indexes"],
    vendor: "posthog",
  },
  delay: { name: "Slow answer", text: "Answered as always, but late.", uses: ["delay_seconds"] },
  reset: {
    name: "Connection reset, before the answer",
    text: "The request was read, and no answer comes: events may arrive twice.",
    uses: [],
  },
  reset_half: { name: "Connection reset, in the answer", text: "The answer breaks off in its middle.", uses: [] },
  black_hole: {
    name: "Black hole",
    text: "Nothing is answered for so long; the client's own timeout should end it.",
    uses: ["delay_seconds"],
  },
  bad_body: {
    name: "200 with a strange body",
    text: "Success, and a body that is not the vendor's: as from a captive portal.",
    uses: [],
  },
};

/** A fault's name; for one that a newer server has, its bare word. */
export const faultWord = (kind) => (Object.hasOwn(FAULTS, kind) ? FAULTS[kind].name : kind);

/** Which requests an active fault meets: "the next 3 answers", "30 % of the answers"; `times` is what is left. */
export function faultWhen({ times, percent }) {
  const parts = [];
  const share = percent !== null && percent !== undefined && percent < 100;
  if (times !== null && times !== undefined) parts.push(times === 1 ? "the next answer" : `the next ${times} answers`);
  if (share) parts.push(`${percent} % of ${parts.length ? "them" : "the answers"}`);
  return parts.join(", ") || "every answer";
}

/** The settings of an active fault that matter to it. */
export function faultSettings(fault) {
  const { uses = [] } = FAULTS[fault.kind] ?? {};
  const parts = [];
  if (uses.includes("retry_after") && fault.retry_after) parts.push(`Retry-After ${fault.retry_after} s`);
  if (uses.includes("delay_seconds") && fault.delay_seconds) parts.push(`${fault.delay_seconds} s`);
  if (uses.includes("indexes") && fault.indexes?.length) parts.push(`places ${fault.indexes.join(", ")}`);
  if (fault.path) parts.push(`path ${fault.path}`);
  return parts.join(", ");
}
