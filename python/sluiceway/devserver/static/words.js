// The page's words for verdicts, marks and vendors: a sign (see icons.js) beside the colour, a sentence that explains.

export const VERDICTS = {
  delivered: { icon: "check", title: "The vendor takes this event." },
  lost: { icon: "lost", title: "Answered with success, yet the vendor makes nothing of it: lost without a word." },
  refused: { icon: "cross", title: "Refused for good: sending it again changes nothing." },
  retry: { icon: "again", title: "Not taken now. The client should send it again later." },
  duplicate: { icon: "copies", title: "Taken, and folded: an event with this id was there before." },
};

export const MARKS = {
  duplicate: { icon: "copies", title: "An event with the same id came before. The vendor keeps one of them." },
  skew: {
    icon: "clock",
    title: "The client's clock and this machine's differ: the vendor may shift the event's time.",
  },
  future: { icon: "ahead", title: "Its time lies in the future, later than clocks explain." },
  late: { icon: "behind", title: "It happened long before it was sent." },
  retried: { icon: "again", title: "It came in an earlier request already, and was sent again." },
  sampled: {
    icon: "funnel",
    title: "Events came faster than they are stored: this one stands for others. The counters counted all.",
  },
};

export const VENDORS = { segment: "Segment", rudderstack: "RudderStack", posthog: "PostHog", amplitude: "Amplitude" };

/** A vendor's name as it writes it. */
export const vendorName = (vendor) => (Object.hasOwn(VENDORS, vendor) ? VENDORS[vendor] : vendor);

/** What is known of a verdict or a mark; for one that a newer server has, its bare word. */
const look = (table, word) => (Object.hasOwn(table, word) ? table[word] : { icon: "dot", title: word });
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
export const statusWords = (status) =>
  status === null || status === undefined ? "no answer" : `${status} ${STATUSES[status] ?? ""}`.trim();
