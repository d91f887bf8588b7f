// The page: its parts, and what goes from one to another.

import { getEvents } from "./api.js";
import { showConnection } from "./connection.js";
import { copy } from "./copying.js";
import { Counters } from "./counters.js";
import { Detail } from "./detail.js";
import { startDialogs } from "./dialogs.js";
import { byId, put } from "./dom.js";
import { Faults } from "./faults.js";
import { Filter } from "./filter.js";
import { drawIcons, icon } from "./icons.js";
import { startKeyboard } from "./keyboard.js";
import { EventList } from "./list.js";
import { orNotice } from "./notice.js";
import { Stream } from "./stream.js";
import { startTheme } from "./theme.js";
import { startWelcome } from "./welcome.js";
import { VENDORS } from "./words.js";

const PAGE_ROWS = 100;
const SHOW_SOON_MS = 60;

let state = null;
let line = { name: "connecting" };
let stored = 0;
let loading = null;
let showing = 0;

const filter = new Filter({ onChange: refilter, onSelect: (seq) => (seq === null ? detail.close() : go(seq)) });
const list = new EventList({ onSelect: select, onReload: reload, onOlder: older });
const detail = new Detail({
  onClose: () => {
    filter.select(null);
    list.mark(null);
    list.focus();
  },
  onGo: go,
});
const faults = new Faults({ onClose: () => list.focus() });
const counters = new Counters({
  onVendor: (vendor) => filter.set({ vendor: filter.values.vendor === vendor ? "" : vendor }),
});
const dialogs = startDialogs(() => filter.values);
const stream = new Stream({
  onEvent: (kind, data) => RECEIVE[kind](data),
  onState: (next) => {
    line = next;
    showConnection(line, list.paused);
  },
});

const RECEIVE = {
  hello(data) {
    const first = state === null;
    state = data;
    if (first) startWelcome(data.url);
    byId("server-url").textContent = data.url.replace(/^https?:\/\//, "");
    byId("version").textContent = data.version;
    byId("server").title =
      `sluiceway ${data.version}; keeps ${data.max_events} events at most in ${data.db === ":memory:" ? "memory" : data.db}. ` +
      "Press to copy the address.";
    counters.vendors(data.vendors);
    counters.chosen(filter.values.vendor);
    RECEIVE.counters(data.counters);
    faults.offer(data.fault_kinds, data.vendors);
    faults.show(data.faults);
    reload();
    if (first && filter.selected !== null) go(filter.selected);
  },
  rows({ events, skipped }) {
    if (loading) loading.push(...events);
    else list.add(events, skipped);
    detail.notice(events);
  },
  counters(data) {
    stored = data.events;
    counters.show(data);
    settle();
  },
  faults: (data) => faults.show(data),
  cleared() {
    detail.close();
    stored = 0;
    list.reset([], false);
  },
};

/** Read the newest events anew; what comes meanwhile is added afterwards. */
async function reload() {
  const mine = [];
  loading = mine;
  const answer = await orNotice(() => getEvents({ ...filter.values, limit: PAGE_ROWS }));
  if (loading !== mine) return;
  loading = null;
  if (!answer) return;
  list.reset(answer.events, answer.more);
  list.add(mine);
}

async function older(before) {
  const answer = await orNotice(() => getEvents({ ...filter.values, before, limit: PAGE_ROWS }));
  if (answer) list.append(answer.events, answer.more);
}

function refilter(values) {
  counters.chosen(values.vendor);
  // Until the answer to the new filter is here the list stays as it is, and is not called empty.
  loading = [];
  stream.open(values);
}

function select(seq) {
  filter.select(seq);
  clearTimeout(showing);
  showing = setTimeout(() => detail.show(seq), detail.open ? SHOW_SOON_MS : 0);
}

/** Open the chosen event and go to it. */
function enter() {
  if (list.selected === null) return;
  clearTimeout(showing);
  detail.show(list.selected, { focus: true });
}

/** Open an event that need not be in the list. */
function go(seq) {
  list.mark(seq);
  filter.select(seq);
  detail.show(seq);
}

/** Say what an empty list means: nothing has come yet, or the filter lets nothing through. */
function settle() {
  const empty = list.length === 0 && state !== null && !loading;
  const fresh = empty && !filter.active && stored === 0;
  byId("welcome").hidden = !fresh;
  byId("nothing").hidden = !empty || fresh;
  document.body.classList.toggle("fresh", fresh);
}

function pause() {
  list.pause(!list.paused);
  const button = byId("pause");
  button.setAttribute("aria-pressed", String(list.paused));
  put(byId("pause-icon"), icon(list.paused ? "play" : "pause"));
  byId("pause-word").textContent = list.paused ? "Resume" : "Pause";
  showConnection(line, list.paused);
}

function escape(field) {
  if (field && !field.closest("#faults")) return list.focus();
  if (faults.open) return faults.close();
  if (detail.open) return detail.close();
  return undefined;
}

drawIcons();
startTheme();
byId("list").addEventListener("drawn", settle);
byId("pause").addEventListener("click", pause);
byId("faults-open").addEventListener("click", () => faults.toggle());
byId("export").addEventListener("click", () => dialogs.exporting(state?.redacts));
byId("clear").addEventListener("click", dialogs.clear);
byId("help").addEventListener("click", dialogs.help);
byId("server").addEventListener("click", () => state && copy(state.url, "The server's address"));
byId("away-now").addEventListener("click", () => stream.hurry());
byId("nothing-clear").addEventListener("click", () => filter.clear());
startKeyboard({
  actions: {
    j: () => list.move(1),
    k: () => list.move(-1),
    g: () => list.release(),
    "/": () => filter.focus(),
    f: () => faults.toggle(),
    e: () => dialogs.exporting(state?.redacts),
    p: pause,
    c: () => detail.copyPytest(),
    r: () => byId("reveal").hidden || byId("reveal").click(),
    x: dialogs.clear,
    "?": dialogs.help,
  },
  inList: {
    ArrowDown: () => list.move(1),
    ArrowUp: () => list.move(-1),
    Enter: enter,
  },
  onEscape: escape,
});
counters.vendors(Object.keys(VENDORS));
stream.open(filter.values);
