// Pause and resume, for whoever holds a key that may: the order goes to the senders, the page shows when they follow.
import { html, one, put } from "./dom.js";
import { icon } from "./icons.js";

const WORDS = {
  running: { action: "pause", word: "Pause", doing: "Pausing…", ask: "Nothing more of it is handed over until somebody resumes it; what is on its way arrives." },
  paused: { action: "resume", word: "Resume", doing: "Resuming…", ask: "Its sender goes on at its rate within a second." },
};

export class Pause {
  constructor(api, rows) {
    Object.assign(this, { api, rows, button: one("#pause"), may: false, ordered: "", phase: "" });
    this.button?.addEventListener("click", () => this.ask());
    if (this.button) this.look();
  }

  async look() {
    const answer = await fetch("/api/session").catch(() => null);
    this.may = answer?.ok ? (await answer.json()).scopes.includes("admin") : false;
    this.show(this.phase);
  }

  // A button for what can be ordered now; what was ordered is waited for.
  show(phase) {
    if (!this.button) return;
    if (phase !== this.phase) this.ordered = "";
    this.phase = phase;
    const words = this.may ? WORDS[phase] : null;
    this.button.dataset.when = words ? "live" : "";
    this.button.disabled = Boolean(this.ordered);
    if (words) put(this.button, icon(words.action), this.ordered ? words.doing : words.word);
  }

  ask() {
    const words = WORDS[this.phase], why = html("input", { maxlength: 500, placeholder: "Why? Shown to whoever watches", "aria-label": "Why" });
    const form = html("form", { class: "link-line", onsubmit: (event) => this.order(event, words, why.value) }, why, html("button", { class: "primary" }, words.word));
    this.rows.open(`${words.word} this campaign?`, html("p", {}, words.ask), form);
    why.focus();
  }

  async order(event, { action }, why) {
    event.preventDefault();
    const answer = await fetch(`${this.api}/orders`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ action, why }) }).catch(() => null);
    if (!answer?.ok) return this.rows.open("The order did not go out", html("p", {}, answer ? (await answer.json()).title : "The server does not answer."));
    this.rows.close();
    this.ordered = action;
    this.show(this.phase);
  }
}
