// The page's words for verdicts, marks and vendors: each has a sign beside its colour, and a sentence that explains it.

export const VERDICTS = {
  delivered: { sign: "✓", title: "The vendor takes this event." },
  lost: { sign: "∅", title: "Answered with success, yet the vendor makes nothing of it: lost without a word." },
  refused: { sign: "✕", title: "Refused for good: sending it again changes nothing." },
  retry: { sign: "↻", title: "Not taken now. The client should send it again later." },
  duplicate: { sign: "⧉", title: "Taken, and folded: an event with this id was there before." },
};

export const MARKS = {
  duplicate: { sign: "⧉", title: "An event with the same id came before. The vendor keeps one of them." },
  skew: { sign: "◷", title: "The client's clock and this machine's differ: the vendor may shift the event's time." },
  future: { sign: "⇥", title: "Its time lies in the future, later than clocks explain." },
  late: { sign: "⇤", title: "It happened long before it was sent." },
  retried: { sign: "↻", title: "It came in an earlier request already, and was sent again." },
  sampled: { sign: "⁒", title: "Events came faster than they are stored: this one stands for others. The counters counted all." },
};

export const VENDORS = { segment: "Segment", rudderstack: "RudderStack", posthog: "PostHog", amplitude: "Amplitude" };

/** A vendor's name as it writes it. */
export const vendorName = (vendor) => (Object.hasOwn(VENDORS, vendor) ? VENDORS[vendor] : vendor);

/** What is known of a verdict or a mark; for one that a newer server has, its bare word. */
const look = (table, word) => (Object.hasOwn(table, word) ? table[word] : { sign: "•", title: word });
export const verdictOf = (word) => look(VERDICTS, word);
export const markOf = (word) => look(MARKS, word);

/** HTTP statuses in words, for those that these vendors and the faults answer with. */
const STATUSES = {
  200: "OK",
  202: "Accepted",
  204: "No Content",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Payload Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};
export const statusWords = (status) => (status === null || status === undefined ? "no answer" : `${status} ${STATUSES[status] ?? ""}`.trim());
