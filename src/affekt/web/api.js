// The server's HTTP interface: every failure becomes an Error whose message can be shown.

import { t } from "./strings.js";

const ROOT = new URL("../", import.meta.url);

export class Refused extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

export class Api {
  token = "";
  /** Asked for a token when the server wants one; resolves to it. */
  askToken = async () => "";

  settings = () => this.#json("v1/settings");
  models = async () => (await this.#json("v1/models")).models;
  labels = (model) => this.#json(`v1/labels?model=${encodeURIComponent(model)}`);
  job = (id) => this.#json(`v1/jobs/${encodeURIComponent(id)}`);
  forgetJob = (id) => this.#json(`v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE", keepalive: true });
  forgetReference = (id) => this.#json(`v1/references/${encodeURIComponent(id)}`, { method: "DELETE" });

  /** Whether the server answers at all. */
  async alive() {
    try {
      return (await fetch(new URL("healthz", ROOT), { cache: "no-store" })).ok;
    } catch {
      return false;
    }
  }

  predict = (file, fields, signal) => this.#json("v1/predict", { method: "POST", body: form("files", file, fields), signal });
  /** What words say that were written here. */
  judge = (text, fields) => this.#json("v1/predict", { method: "POST", body: JSON.stringify({ text, ...fields }), headers: { "Content-Type": "application/json" } });
  startJob = async (file, fields, signal) => (await this.#json("v1/jobs", { method: "POST", body: form("files", file, fields), signal })).job;
  makeReference = (file, fields) => this.#json("v1/references", { method: "POST", body: form("file", file, fields) });

  /** The results (our JSON) as a Blob in another writer's format. */
  async convert(document, format) {
    const headers = { "Content-Type": "application/json" };
    return (await this.#send(`v1/convert?format=${format}`, { method: "POST", body: JSON.stringify(document), headers })).blob();
  }

  /** Where streams go, and the subprotocol that carries the token. */
  stream(path = "v1/stream") {
    const address = new URL(path, ROOT);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    return { address, protocols: this.token ? [`bearer.${this.token}`] : [] };
  }

  /** Attendance, by the path under its root; a `body` is a form, or goes as JSON. */
  attendance(path, { method = "GET", body } = {}) {
    const isForm = body instanceof FormData;
    const headers = body && !isForm ? { "Content-Type": "application/json" } : {};
    return this.#json(`v1/attendance${path}`, { method, headers, body: body && !isForm ? JSON.stringify(body) : body });
  }

  /** The rows of a session as a file. */
  async attendanceFile(session, format) {
    return (await this.#send(`v1/attendance/export?format=${format}&session=${encodeURIComponent(session)}`)).blob();
  }

  async #json(path, options) {
    const response = await this.#send(path, options);
    return response.status === 204 ? null : response.json();
  }

  async #send(path, options = {}) {
    for (;;) {
      const response = await this.#fetch(path, options);
      if (response.ok) return response;
      if (response.status !== 401) throw new Refused(response.status, await reason(response));
      this.token = await this.askToken(Boolean(this.token));
    }
  }

  async #fetch(path, options) {
    const headers = { ...options.headers, ...(this.token ? { Authorization: `Bearer ${this.token}` } : {}) };
    try {
      return await fetch(new URL(path, ROOT), { ...options, headers });
    } catch (problem) {
      if (problem.name === "AbortError") throw problem;
      throw new Refused(0, t("server.silent"));
    }
  }
}

function form(name, file, fields) {
  const body = new FormData();
  body.append(name, file, file.name ?? "recording.wav");
  for (const [key, value] of Object.entries(fields)) if (value) body.append(key, value, ...(value instanceof File ? [value.name] : []));
  return body;
}

async function reason(response) {
  const text = await response.text();
  try {
    const body = JSON.parse(text);
    const said = body.reason ?? body.error?.reason ?? body.failures?.map((f) => f.reason).join(" ") ?? body.detail;
    if (Array.isArray(said)) return said.map((problem) => problem.msg ?? String(problem)).join("; ");
    return typeof said === "string" ? said : (said?.reason ?? text);
  } catch {
    return text.length && text.length < 300 ? text : t("server.answered", { status: response.status });
  }
}
