// A battle's event stream, read with fetch and not with EventSource: a new page, or a second try after an error, must
// be able to say which event it saw last and to see the status that it was refused with.

const SILENCE_MS = 45000;  // three heartbeats
const PAUSES_MS = [300, 800, 1500, 3000, 5000];

export class Stream {
  // handlers: event(name, data), lost() when the connection breaks, back() when it stands again,
  // refused(status) when the server will not have it: no further try follows.
  constructor(path, lastId, handlers) {
    this.path = path;
    this.handlers = handlers;
    this.lastId = lastId;
    this.closed = false;
    this.failures = 0;
    this.run();
  }

  close() {
    this.closed = true;
    this.abort?.abort();
    this.wake?.();
  }

  async run() {
    while (!this.closed) {
      const status = await this.connect();
      if (this.closed) return;
      if (status >= 400 && status < 500 && status !== 429) {
        this.close();
        this.handlers.refused(status);
        return;
      }
      if (this.failures++ > 0 || status !== 200) this.handlers.lost();
      await this.pause();
    }
  }

  // Reads one connection to its end. Returns its HTTP status, 0 if there was none.
  async connect() {
    this.abort = new AbortController();
    const headers = { Accept: "text/event-stream" };
    if (this.lastId !== null) headers["Last-Event-ID"] = this.lastId;
    let status = 0;
    try {
      const response = await fetch(this.path, { headers, cache: "no-store", signal: this.abort.signal });
      status = response.status;
      if (!response.ok) return status;
      if (this.failures > 0) this.handlers.back();
      await this.read(response.body.pipeThrough(new TextDecoderStream()).getReader());
    } catch {
      return status === 200 ? 200 : 0;
    } finally {
      clearTimeout(this.watchdog);
    }
    return status;
  }

  async read(reader) {
    let text = "";
    this.expectMore();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.closed) return;
      this.expectMore();
      text += value;
      const blocks = text.split(/\r?\n\r?\n/);
      text = blocks.pop();
      for (const block of blocks) this.dispatch(block);
    }
  }

  expectMore() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.abort.abort(), SILENCE_MS);
  }

  dispatch(block) {
    let name = "message";
    const data = [];
    for (const line of block.split(/\r?\n/)) {
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "event") name = value;
      else if (field === "data") data.push(value);
      else if (field === "id") this.lastId = value;
    }
    if (data.length === 0 || this.closed) return;
    this.failures = 0;
    let body;
    try { body = JSON.parse(data.join("\n")); } catch { return; }
    this.handlers.event(name, body);
  }

  pause() {
    const ms = PAUSES_MS[Math.min(this.failures, PAUSES_MS.length) - 1] ?? PAUSES_MS[0];
    return new Promise((resolve) => {
      const again = () => { removeEventListener("online", again); clearTimeout(timer); resolve(); };
      const timer = setTimeout(again, ms);
      addEventListener("online", again);
      this.wake = again;
    });
  }
}
