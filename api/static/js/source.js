// One stream of snapshots, and what to tell the reader when it falters.
//   live          the snapshot is younger than 5 s
//   stale         older, though the connection stands
//   disconnected  no connection: tried again after a wait that doubles
const STALE_MS = 5000;
const LOOK_MS = 250;
const LONGEST_WAIT_S = 15;

export class Source {
  constructor(url, { onSnapshot, onState }) {
    Object.assign(this, { url, onSnapshot, onState });
    this.receivedAt = null;
    this.snapshot = null;
    this.waitS = 1;
    this.connect();
    setInterval(() => this.look(), LOOK_MS);
  }

  connect() {
    this.retryAt = null;
    this.lostAt ??= null;
    this.events?.close();
    this.events = new EventSource(this.url);
    this.events.addEventListener("snapshot", (event) => this.take(JSON.parse(event.data)));
    this.events.addEventListener("error", () => this.lose());
  }

  take(snapshot) {
    this.waitS = 1;
    this.lostAt = null;
    this.receivedAt = performance.now();
    this.snapshot = snapshot;
    this.onSnapshot(snapshot);
    this.look();
  }

  // The browser would try again by itself, but says neither when, nor gives up on an answer that is no stream.
  async lose() {
    this.events.close();
    this.lostAt ??= Date.now();
    this.retryAt = Date.now() + this.waitS * 1000;
    this.waitS = Math.min(LONGEST_WAIT_S, this.waitS * 2);
    this.look();
    const answer = await fetch(this.url, { method: "GET", signal: AbortSignal.timeout(1500) }).catch(() => null);
    if (answer && !answer.ok) this.refused = await answer.json().catch(() => ({ title: "No answer", status: answer.status }));
    answer?.body?.cancel().catch(() => {});
    if (this.refused?.status === 401) location.href = `/login?to=${encodeURIComponent(location.pathname)}`;
  }

  tryNow() {
    if (this.retryAt) this.connect();
  }

  look() {
    if (this.retryAt && Date.now() >= this.retryAt) this.connect();
    const age = this.receivedAt == null ? null : performance.now() - this.receivedAt;
    const state = this.lostAt ? "disconnected" : age == null ? "loading" : age < STALE_MS ? "live" : "stale";
    const retryS = this.retryAt ? Math.max(0, Math.ceil((this.retryAt - Date.now()) / 1000)) : null;
    this.onState({ state, age, lostAt: this.lostAt, retryS, refused: this.refused, snapshot: this.snapshot });
  }
}
