// What the programs have in common: how they are told what to do, what their events hold, how they report.

const errors = new Set();

// What a program may carry in one event, one kind of value after the other.
const VALUES = [
  "plain",
  "Grüße, 世界 🌍 \u{1f9d1}\u200d\u{1f680} \u202e",
  'quotes " and \\ and </script><b>',
  "line\nand\ttab \u0000 and \u001f \u2028",
  0,
  -7,
  -0,
  Number.MAX_SAFE_INTEGER,
  0.1,
  -1.5e-9,
  1e21,
  NaN,
  true,
  false,
  null,
  undefined,
  [1, "two", null, { three: 3.0 }],
  { deep: { deeper: { list: [{ x: [] }, {}] } }, empty: {} },
  "",
  "long ".repeat(150),
  new Date("2013-01-01T10:15:00-05:00"),
];

// What to do: `url`, `key`, `calls`, `options` of the client, and a `name` that tells this run from others.
export const job = JSON.parse(process.argv[2]);

// As a program writes it that cuts a text inside an emoji.
if (job.half) VALUES.push("cut \u{1f30d}".slice(0, -1));

// What event `number` holds.
export function properties(number) {
  const [first, second] = [VALUES[number % VALUES.length], VALUES[(number * 7) % VALUES.length]];
  return {
    number,
    item: first,
    "another item": second,
    価格: Math.round(number * 125) / 100,
    inside: { it: second, tags: ["a", "b", String(number)] },
  };
}

// When event `number` happened: some time in the last hour.
export function moment(number) {
  return new Date(Date.now() - (number % 3600) * 1000);
}

export function user(number) {
  return `${job.name}-user-${number % 97}`;
}

// Note what the client complains of; the report has it.
export function failed(what) {
  errors.add(`${what?.name ?? typeof what}: ${what?.message ?? what?.reason?.message ?? what}`.slice(0, 500));
}

// Print the one line that the test reads, and end: some clients leave a timer that would hold the process for seconds.
export function report(said) {
  process.stdout.write(`${JSON.stringify({ ...said, errors: [...errors].slice(0, 20) })}\n`, () => process.exit(0));
}

for (const word of ["warn", "error"]) {
  console[word] = (...said) => failed(`console.${word}: ${said.map(String).join(" ")}`);
}
process.on("unhandledRejection", failed);

// A service does not end while a client waits for its next attempt; this program would, since some wait on no live timer.
setInterval(() => {}, 1_000);
