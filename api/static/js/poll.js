// One answer, asked for again and again, and the same states as Source's, for pages without a stream. `onTurn` is told when
// the state changes, as stale data may not judge.
import { showState } from "./frame.js";

const LOOK_MS = 500;
const PATIENCE_MS = 4000;

export class Poll {
  constructor({ url, everyMs, staleMs, isEmpty = () => false, onAnswer, onTurn }) {
    Object.assign(this, { url, everyMs, staleMs, isEmpty, onAnswer, onTurn });
    this.state = "loading";
    this.latest = this.receivedAt = this.at = this.lostAt = null;
    setInterval(() => this.look(), LOOK_MS);
  }

  // What was asked before is not waited for.
  async refresh() {
    clearTimeout(this.timer);
    this.waiting?.abort();
    this.waiting = new AbortController();
    try {
      const answer = await fetch(this.url(), { signal: AbortSignal.any([this.waiting.signal, AbortSignal.timeout(PATIENCE_MS)]) });
      if (answer.status === 401) return (location.href = `/login?to=${encodeURIComponent(location.pathname)}`);
      if (!answer.ok) throw new Error(String(answer.status));
      this.latest = await answer.json();
      [this.receivedAt, this.at, this.lostAt] = [performance.now(), new Date(), null];
      this.onAnswer(this.latest);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.lostAt ??= Date.now();
    }
    this.look();
    this.timer = setTimeout(() => this.refresh(), this.everyMs);
  }

  look() {
    const age = this.receivedAt == null ? null : performance.now() - this.receivedAt;
    const old = age == null || age > this.staleMs;
    const state = this.lostAt && old ? "disconnected" : age == null ? "loading" : old ? "stale" : "live";
    const retryS = this.lostAt ? Math.ceil(this.everyMs / 1000) : null;
    const before = this.state;
    const snapshot = { freshness: { data_at: this.at }, nothing: this.latest != null && this.isEmpty(this.latest) };
    this.state = showState({ state, age, lostAt: this.lostAt, retryS, snapshot });
    if (before !== this.state && this.latest) this.onTurn(this.latest);
  }
}
