// The server's events as they come, over a connection that is made again whenever it breaks.

import { address, getState } from "./api.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5000;
const KINDS = ["hello", "rows", "counters", "faults", "cleared"];

/**
 * Server-sent events with the filter in the address. `onEvent(kind, data)` gets each; `onState({name, seconds})` says how
 * it stands: "connecting", "live", "away" (tried again in so many seconds) or "moved" (a server answers, but has no page
 * at this address).
 */
export class Stream {
  #source = null;
  #query = {};
  #wait = FIRST_WAIT_MS;
  #timer = 0;

  constructor({ onEvent, onState }) {
    this.onEvent = onEvent;
    this.onState = onState;
  }

  /** Listen under `query`, instead of what was listened to before. */
  open(query) {
    this.#query = query;
    this.#wait = FIRST_WAIT_MS;
    this.#connect();
  }

  /** Try at once what would be tried later. */
  hurry() {
    if (this.#timer) this.open(this.#query);
  }

  #connect() {
    this.#drop();
    this.onState({ name: "connecting" });
    const source = new EventSource(address("stream", this.#query));
    this.#source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => {
        if (source !== this.#source) return;
        if (kind === "hello") {
          this.#wait = FIRST_WAIT_MS;
          this.onState({ name: "live" });
        }
        this.onEvent(kind, message.data ? JSON.parse(message.data) : null);
      });
    }
    source.onerror = () => {
      if (source === this.#source) this.#later();
    };
  }

  /** Wait, then look whether the server is there; the wait grows, so that a server that stays away is not hammered. */
  #later(name = "away") {
    this.#drop();
    this.onState({ name, seconds: this.#wait / 1000 });
    this.#timer = setTimeout(() => this.#probe(), this.#wait);
    this.#wait = Math.min(this.#wait * 1.6, LONGEST_WAIT_MS);
  }

  async #probe() {
    this.#timer = 0;
    const query = this.#query;
    try {
      await getState();
    } catch (error) {
      if (query === this.#query && !this.#source) this.#later(error.status === 404 ? "moved" : "away");
      return;
    }
    if (query === this.#query && !this.#source) this.#connect();
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#source?.close();
    this.#source = null;
  }
}
