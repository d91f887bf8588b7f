// What the page asks of its server: every address is relative to the page, so nothing leaves this machine.

/** An answer that is not what was asked for; `status` is 0 when the server cannot be reached. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The address of `path` below the page's own, with those of `query` that have a value. */
export function address(path, query = {}) {
  const url = new URL(`api/${path}`, document.baseURI);
  url.hash = "";
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, value);
  }
  return url.href;
}

async function ask(path, { query, method = "GET", body, signal } = {}) {
  const headers = { Accept: "application/json" };
  // A header of its own cannot be sent by another site's form: the server asks for it before it changes anything.
  if (method !== "GET") headers["X-Sluiceway"] = "1";
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(address(path, query), { method, headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer. Is it still running?", 0);
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    throw new ApiError(`The server's answer (${response.status}) is not JSON.`, response.status);
  }
  if (!response.ok) throw new ApiError(answer?.error ?? `The server answered ${response.status}.`, response.status);
  return answer;
}

export const getState = () => ask("state");
export const getEvents = (query, signal) => ask("events", { query, signal });
export const getEvent = (seq, reveal, signal) => ask(`events/${seq}`, { query: reveal ? { reveal: 1 } : {}, signal });
export const getRequest = (number, signal) => ask(`requests/${number}`, { signal });
export const addFault = (fault) => ask("faults", { method: "POST", body: fault });
export const removeFault = (id) => ask(`faults/${encodeURIComponent(id)}`, { method: "DELETE" });
export const removeFaults = () => ask("faults", { method: "DELETE" });
export const clearAll = () => ask("clear", { method: "POST" });
