// Numbers, moments and foreign text as people read them.

const COUNT = new Intl.NumberFormat("en-US");
const ONE_DIGIT = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

/** 12345 → "12,345". */
export const count = (number) => COUNT.format(number ?? 0);

/** "1 event", "2 events". */
export const plural = (number, word, many = `${word}s`) => `${count(number)} ${number === 1 ? word : many}`;

/** A rate for a headline: "0", "3.4", "51,200". */
export const rate = (number) => (number < 100 ? ONE_DIGIT.format(number ?? 0) : COUNT.format(Math.round(number)));

/** Bytes: "694 B", "12.3 KB", "1.2 MB". */
export function bytes(number) {
  if (number === null || number === undefined) return "–";
  if (number < 1000) return `${number} B`;
  if (number < 1e6) return `${ONE_DIGIT.format(number / 1e3)} KB`;
  return number < 1e9 ? `${ONE_DIGIT.format(number / 1e6)} MB` : `${ONE_DIGIT.format(number / 1e9)} GB`;
}

/** Seconds as a span: "85 ms", "1.2 s", "3 min 5 s". */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${Math.round(seconds * 1e3)} ms`;
  if (seconds < 60) return `${ONE_DIGIT.format(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.round(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const two = (number) => String(number).padStart(2, "0");

/** A Unix time as the local time of day, to the millisecond: "14:03:22.125". */
export function clock(unixSeconds, milliseconds = true) {
  const moment = new Date(unixSeconds * 1000);
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
  return milliseconds ? `${time}.${String(moment.getMilliseconds()).padStart(3, "0")}` : time;
}

/** A Unix time in full, in local time and with its zone: "2026-02-03 14:03:22.125 +01:00". */
export function moment(unixSeconds) {
  const date = new Date(unixSeconds * 1000);
  const ahead = -date.getTimezoneOffset();
  const zone = `${ahead < 0 ? "-" : "+"}${two(Math.floor(Math.abs(ahead) / 60))}:${two(Math.abs(ahead) % 60)}`;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(unixSeconds)} ${zone}`;
}

// Controls, and what turns, hides or joins text: it could make one value look like another.
const UNSEEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const KNOWN = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Text of unknown origin on one line: what cannot be seen is spelled out, and beyond `most` characters it is cut. */
export function visible(text, most = 300) {
  const whole = String(text ?? "");
  const cut = whole.length > most ? `${whole.slice(0, most)}…` : whole;
  return cut.replace(UNSEEN, (unit) => KNOWN[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
