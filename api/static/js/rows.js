// From a figure to its rows: a dialog with the messages behind it, each opening into all that happened to it.
import { count, percent, when, clockSeconds, zone } from "./format.js";
import { html, one, say } from "./dom.js";

// A figure that opens its rows: `query` chooses the messages that it counts.
export const opener = (text, query, title, cls = "link") =>
  html("button", { class: cls, "data-rows": new URLSearchParams(query).toString(), title: `Show ${title}`, "data-title": title }, text);

const STATES = ["accepted", "rejected", "sent", "delivered", "read", "clicked", "failed"];

// A code of one provider's: others may give it, too.
export const reason = ({ provider, error_code }) => ({ provider, error_code });

export class Rows {
  constructor(api) {
    this.api = api;
    this.dialog = one("#rows");
    this.body = one("#rows-body");
    document.addEventListener("click", (event) => {
      const figure = event.target.closest("[data-rows]");
      if (figure) this.messages(figure.dataset.title, Object.fromEntries(new URLSearchParams(figure.dataset.rows)));
    });
  }

  open(title, ...content) {
    say("#rows-title", title);
    this.body.replaceChildren(...content);
    if (!this.dialog.open) this.dialog.showModal();
  }

  close() {
    this.dialog.close();
  }

  async messages(title, query, after = null) {
    if (after == null) this.open(title, html("p", { class: "note" }, "Loading…"));
    const page = await this.ask(`/messages?${new URLSearchParams({ ...query, at_most: 50, ...(after ? { after } : {}) })}`);
    if (!page) return;
    const table = html("table", { class: "rows" },
      html("thead", {}, html("tr", {}, ...["Message", "How far", ...STATES].map((name, i) => html("th", { scope: "col", class: i < 2 ? "l" : null }, name)))),
      html("tbody", {}, ...page.messages.map((message) => this.row(message))));
    const more = page.after && html("button", { onclick: () => this.messages(title, query, page.after) }, "Next 50");
    this.open(title, html("p", { class: "note" }, `Times are ${zone()}. By message key; no recipient is shown.`), page.messages.length ? table : html("p", {}, "No message."), html("p", { class: "dialog-acts" }, more));
  }

  row(message) {
    const open = html("button", { class: "link", onclick: () => this.trace(message.message_key) }, message.message_key);
    return html("tr", {}, html("th", { scope: "row" }, open), html("td", { class: "l" }, message.state), ...STATES.map((name) => html("td", {}, message[`${name}_at`] ? clockSeconds(message[`${name}_at`]) : "–")));
  }

  async trace(key) {
    const trace = await this.ask(`/messages/${key}`);
    if (!trace) return;
    const told = [
      ...trace.said.map((said) => [said.at, "sender", [said.type, said.reason, said.outcome, said.error_code].filter(Boolean).join(", "), said.provider, said.attempt]),
      ...trace.reported.map((report) => [report.event_time, "provider", [report.status, report.error_code].filter(Boolean).join(", "), report.provider, report.attempt]),
    ].sort((a, b) => Date.parse(a[0]) - Date.parse(b[0]));
    this.open(`Message ${key}`, html("table", { class: "rows" },
      html("thead", {}, html("tr", {}, ...["When", "Who says so", "What", "Provider", "Attempt"].map((name) => html("th", { scope: "col", class: "l" }, name)))),
      html("tbody", {}, ...told.map(([at, who, what, provider, attempt]) => html("tr", {}, html("th", { scope: "row" }, `${when(at)}:${new Date(at).toISOString().slice(17, 23)}`), html("td", { class: "l" }, who), html("td", { class: "l" }, what), html("td", { class: "l" }, provider), html("td", { class: "l" }, attempt))))));
  }

  reasons(failures, total) {
    const head = ["Reason", "Code", "Who acts", "How", "Messages", "Share"];
    this.open(`All ${failures.length} reasons`, html("table", { class: "rows wrap-cells" },
      html("thead", {}, html("tr", {}, ...head.map((name, i) => html("th", { scope: "col", class: i < 4 ? "l" : null }, name)))),
      html("tbody", {}, ...failures.map((failure) => html("tr", {},
        html("th", { scope: "row" }, opener(failure.meaning, reason(failure), failure.meaning)),
        html("td", { class: "l code" }, `${failure.provider} ${failure.error_code}`), html("td", { class: "l" }, failure.owner), html("td", { class: "l" }, failure.action),
        html("td", {}, count(failure.messages)), html("td", {}, percent(total ? failure.messages / total : null, 0)))))));
  }

  async ask(path) {
    const answer = await fetch(this.api + path).catch(() => null);
    if (answer?.ok) return answer.json();
    const problem = await answer?.json().catch(() => null);
    this.open("This could not be shown", html("p", {}, problem ? `${problem.title}. ${problem.detail}` : "The server does not answer."));
    return null;
  }
}
