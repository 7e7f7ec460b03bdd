// The campaign page: one stream of snapshots, drawn section by section.
import { channel, clock, clockSeconds, count, duration, money, percent, points, when, withTimes, zone } from "./format.js";
import { all, html, one, put, putOnce, say, width } from "./dom.js";
import { icon } from "./icons.js";
import { eta, grid, gridTable, histogram, isPhone, norm, spark, strip } from "./charts.js";
import { Lines, PAD } from "./lines.js";
import { showState, showVerdict, startFrame, tag } from "./frame.js";
import { Source } from "./source.js";
import { Pause } from "./pause.js";
import { opener, reason, Rows } from "./rows.js";
import { offerTables } from "./tables.js";

const [, kind, name] = location.pathname.split("/");
const SHARED = kind === "s";
const API = SHARED ? `/api/shared/${name}` : `/api/campaigns/${name}`;
const rows = new Rows(API);
const PHASES = { ready: "not begun", running: "running", paused: "paused", silent: "sender silent", done: "done" };
let state = "loading", latest = null;

startFrame();
if (SHARED) all("[data-own]").forEach((node) => node.remove());
const pause = new Pause(API, rows);
const recent = new Lines(one("#recent"), {
  readout: one("#readout"),
  series: [
    { name: "allowed", ink: "--ink-2", dash: [5, 3] },
    { name: "sent", ink: "--sent", fill: true },
    { name: "delivered", ink: "--delivered" },
    { name: "failed", ink: "--failed" },
  ],
});
const source = new Source(`${API}/live`, {
  onSnapshot: (snapshot) => show(latest = Object.assign(snapshot, { nothing: snapshot.funnel.sent === 0 })),
  onState: (told) => {
    const before = state;
    state = showState(told);
    if (told.refused && (!latest || told.refused.status === 403)) return refuse(told.refused);
    if (state !== before && latest) verdict(latest);
  },
});

function refuse(problem) {
  say("#name", "This page can't be shown");
  put(one("[data-verdict-say]"), html("strong", {}, problem.title));
  put(one("[data-verdict-more]"), problem.status === 404 ? "Look for it in the list of campaigns." : problem.detail ?? "");
  document.title = `${problem.title} · Tidemark`;
}

function show(s) {
  verdict(s);
  pause.show(s.pace.phase);
  reach(s);
  pace(s);
  quarter(s);
  timeToDeliver(s);
  routes(s);
  failures(s);
  ledger(s);
}

function verdict(s) {
  const channels = [...new Set(s.providers.flatMap((line) => line.channels))].map(channel);
  say("#name", s.plan.name);
  say("#route", channels.length ? ` · ${channels.slice(0, 4).join(", ")}` : s.plan.channel ? ` · ${channel(s.plan.channel)}` : "");
  const { phase, started_at, last_at } = s.pace;
  say("#phase", ` · ${phase === "done" && started_at ? `ran ${when(started_at)} to ${when(last_at)}` : PHASES[phase] + (started_at ? ` since ${when(started_at)}` : "")}`);
  showVerdict(s.verdict, state, s.freshness.data_at, s.plan.name);
}

function reach(s) {
  const { funnel, rates, accounting } = s, planned = s.plan.audience != null, audience = Math.max(s.plan.audience ?? 0, funnel.sent, 1);
  const of = (what) => accounting.lines.find((line) => line.what === what)?.messages ?? 0;
  const screened = accounting.lines.filter((line) => line.what.startsWith("screened")).reduce((sum, line) => sum + line.messages, 0);
  const refused = of("rejected for good"), queued = s.queued, sendable = audience - screened;
  const waits = Math.max(0, funnel.sent - funnel.delivered - funnel.delivered_inferred - funnel.failed);
  one(".reach").style.setProperty("--tide", `${((funnel.sent / audience) * 100).toFixed(2)}%`);
  placeWords(funnel.sent / audience, queued > 0);
  say("#half", short(audience / 2));
  say("#whole", short(audience));
  const read = usualOf(s, "read"), settles = read && s.pace.phase !== "ready" ? [read.settles_lowest, read.settles_highest] : null;
  const expected = settles ? Math.max(0, ((settles[0] + settles[1]) / 2) * funnel.sent - funnel.read) : 0;
  stage("sent", funnel.sent, { is: funnel.sent, refused, queued, screened }, audience, sendable ? Math.min(1, funnel.sent / sendable) : null,
    queued ? `${count(queued)} queued` : s.nothing ? `${count(sendable)} will be sent` : planned ? "all handed over" : "");
  say(one('[data-stage="sent"] [data-rate]'), s.nothing ? "–" : "100%");
  say(one('[data-stage="sent"] [data-usual]'), s.nothing || !planned ? "" : `${percent(Math.min(1, funnel.sent / sendable))} of sendable`);
  stage("delivered", funnel.delivered, { is: funnel.delivered + funnel.delivered_inferred, may: waits }, audience, rates.delivered,
    waits ? [`${count(waits)} await`, html("span", { class: "long" }, " a report")] : funnel.delivered_inferred ? `and ${count(funnel.delivered_inferred)} inferred` : "all reported", s);
  stage("read", funnel.read, { is: funnel.read, may: settles && read.maturing ? expected : 0 }, audience, rates.read,
    settles && read.maturing ? [icon("moon"), ` maturing: settles at ${between(percent(settles[0], 0), percent(settles[1], 0))}`] : funnel.delivered_inferred ? `${count(funnel.delivered_inferred)} without a report of delivery` : "", s);
  stage("clicked", funnel.clicked, { is: funnel.clicked }, audience, rates.clicked, rates.clicked_of_read ? `${percent(rates.clicked_of_read)} of those who read` : "", s);
  stage("failed", funnel.failed, { is: funnel.failed }, audience, rates.failed, `${count(funnel.failed_ever)} ever, ${count(refused)} refused before`, s);
}

// Words stand right of the tideline while there is room, else at the bars' end; a label of the scale gives way to the tide's.
function placeWords(share, isQueued) {
  const reach = one(".reach"), room = (1 - share) * (one(".track").clientWidth || 450), far = room < WORDS_PX;
  reach.classList.toggle("far", far);
  reach.classList.toggle("queued", isQueued && room > QUEUED_PX);
  reach.classList.toggle("half", far ? share > 0.44 && share < 0.78 : Math.abs(share - 0.5) < 0.14);
  reach.classList.toggle("whole", room < 60);
}

const WORDS_PX = 190;
const QUEUED_PX = 110; // less, and "13,232 queued" would stand on the bar of what was sent
const between = (low, high) => (low === high ? low : `${low.replace("%", "")}–${high}`);
const usualOf = (s, status) => s.comparison.usual.find((usual) => usual.status === status);
const short = (n) => (n >= 1e6 ? `${+(n / 1e6).toFixed(1)} M` : n >= 1e4 ? `${+(n / 1e3).toFixed(0)} k` : count(n));

function stage(status, figure, segments, audience, rate, words, s = null) {
  const row = one(`[data-stage="${status}"]`);
  for (const [part, messages] of Object.entries(segments)) {
    const node = one(`[data-seg="${part}"]`, row);
    node.hidden = !messages;
    width(node, messages / audience);
  }
  say(one(".figure", row), count(figure));
  if (s) say(one("[data-rate]", row), s.nothing ? "–" : percent(rate));
  put(one("[data-say]", row), ...[words].flat());
  if (s) putOnce(one("[data-usual]", row), JSON.stringify([usualOf(s, status), rate]), () => usualWords(usualOf(s, status), rate, status === "failed" ? "high" : "low"));
}

// A word when a value leaves its usual band.
function usualWords(usual, rate, bad) {
  if (!usual || rate == null) return [html("span", { class: "code", title: "There is no earlier campaign of this channel" }, "no earlier one")];
  const outside = rate > usual.highest + 0.0005 ? "high" : rate < usual.lowest - 0.0005 ? "low" : "";
  const difference = points(rate - (usual.lowest + usual.highest) / 2);
  return [norm(rate, usual.lowest, usual.highest), outside ? html("b", { class: outside === bad ? "watch" : null }, `${outside} ${difference}`) : difference];
}

function pace(s) {
  const p = s.pace, missing = Math.max(0, p.allowed_per_s - p.achieved_per_s), running = p.phase === "running";
  say("#achieved", count(running ? p.achieved_per_s : p.phase === "done" ? p.average_per_s : 0));
  say("#allowed", p.phase === "done" && p.allowed_per_s ? `on average, ${count(p.allowed_per_s)} allowed` : p.allowed_per_s ? `of ${count(p.allowed_per_s)} allowed, ${percent(Math.min(1, (running ? p.achieved_per_s : 0) / p.allowed_per_s), 0)}` : s.plan.limit_per_s ? `of ${count(s.plan.limit_per_s)} planned` : "");
  say("#average", running && p.average_per_s ? `average ${count(p.average_per_s)}/s` : "");
  const most = Math.max(p.allowed_per_s, p.achieved_per_s, 1);
  width(one('#meter [data-seg="is"]'), (running ? p.achieved_per_s : p.phase === "done" ? p.average_per_s : 0) / most);
  width(one('#meter [data-seg="missing"]'), running ? missing / most : 0);
  one("#meter").setAttribute("aria-label", `${count(p.achieved_per_s)} of ${count(p.allowed_per_s)} messages a second`);
  say("#key-sent", running ? `sent ${count(p.achieved_per_s)}` : "sent");
  say("#key-missing", running && missing >= 1 ? `missing ${count(missing)}` : "");
  one("#key-missing").hidden = !(running && missing >= 1);
  const why = p.why ? `${p.why}.` : "";
  put(one("#why"), ...(running && missing >= 1 && why ? [icon("slow", { class: "watch" }), html("span", {}, html("b", {}, `${count(missing)}/s short: `), why)] : [html("span", {}, phaseWords(s))]));
  const known = p.done_at != null;
  one(".eta").hidden = !known && p.phase === "running";
  put(one("#eta-words"), ...(known ? [html("b", {}, `Done about ${clock(p.done_at)}`), html("span", { class: "note" }, clock(p.done_from) === clock(p.done_to) ? ` ${zone()}` : ` between ${clock(p.done_from)} and ${clock(p.done_to)}, ${zone()}`)] : []));
  if (known) {
    eta(one("#eta"), p, Date.parse(s.freshness.data_at));
    one("#eta").setAttribute("aria-label", `Started ${clock(p.started_at)}, now ${clock(s.freshness.data_at)}, done between ${clock(p.done_from)} and ${clock(p.done_to)}`);
  } else one("#eta").replaceChildren();
}

function phaseWords(s) {
  const p = s.pace, asOf = s.cost?.counted_at ? ` as of ${clockSeconds(s.cost.counted_at)}` : "";
  const cost = s.cost?.total ? ` Cost ${money(s.cost.total)}${asOf}, ${money(s.cost.per_message, 3)} a message.` : "";
  if (p.phase === "done") return `Sending ended ${when(p.last_at ?? s.freshness.data_at)}.${cost}`;
  if (p.phase === "ready") return s.plan.limit_per_s && s.plan.audience ? `Plan: ${duration((s.plan.audience / s.plan.limit_per_s) * 1000)} at ${count(s.plan.limit_per_s)}/s.` : "Nothing sent yet.";
  const short = p.allowed_per_s - p.achieved_per_s;
  if (p.phase === "running") return short > 0.1 * p.allowed_per_s ? `${count(short)}/s short${SHARED ? "" : ", for no reason that its sender tells"}.${cost}` : `At its full rate.${cost}`;
  return `Last word of the sender: ${when(p.last_at)}.`;
}

function quarter(s) {
  const r = s.recent, at = r.at;
  recent.show([at, r.allowed, r.sent, r.delivered, r.failed], r.events);
  const last = (values) => values.findLast((value) => value != null);
  one("#recent").setAttribute("aria-label", `Messages a second from ${clock(at[0] * 1000)} to ${clock(at.at(-1) * 1000)}: allowed ${count(last(r.allowed))}, sent ${count(last(r.sent))}, delivered ${count(last(r.delivered))}, failed ${count(last(r.failed))}. ${r.events.map((event) => `${clockSeconds(event.at * 1000)} ${event.what}`).join(". ")}`);
  const right = isPhone() ? PAD.phone : PAD.right;
  say("#live-note", s.heatmap ? "messages a second; below, reads by weekday and hour (UTC)" : "messages a second; below, the share of each half minute that failed");
  one("#strip").classList.toggle("week", Boolean(s.heatmap));
  if (s.heatmap) grid(one("#strip"), s.heatmap);
  else strip(one("#strip"), s.providers.slice(0, 6).map((line) => [line.provider, line.failed_strip]), { left: PAD.left, right });
  one("#strip").setAttribute("aria-label", s.heatmap ? "Reads by weekday and hour" : s.providers.map((line) => `${line.provider}: ${percent(line.failed_strip.findLast((share) => share != null))} failed lately`).join("; "));
}

function timeToDeliver(s) {
  const delivered = s.latency.percentiles.find((told) => told.status === "delivered"), sla = s.plan.sla_p95_ms;
  for (const p of ["p50", "p95", "p99"]) say(`#${p}`, duration(delivered?.[`${p}_ms`]));
  say("#p95-word", sla ? `p95, SLA ${duration(sla)}` : "p95");
  const met = delivered && sla ? delivered.p95_ms <= sla : null, within = s.latency.within_sla;
  one("#sla").className = `tag ${met ? "ok" : "watch"}`;
  putOnce(one("#sla"), `${met} ${within}`, () => (met == null ? [] : [icon(met ? "ok" : "watch"), ` SLA ${met ? "met" : "missed"}: ${percent(within)} within ${duration(sla)}`]));
  histogram(one("#hist"), s.latency.delivered, delivered ? [["p50", delivered.p50_ms], ["p95", delivered.p95_ms], ["p99", delivered.p99_ms]] : [], sla);
  one("#hist").setAttribute("aria-label", delivered ? `Time to deliver: half within ${duration(delivered.p50_ms)}, 95% within ${duration(delivered.p95_ms)}, 99% within ${duration(delivered.p99_ms)}` : "Nothing delivered yet");
  const read = s.latency.percentiles.find((told) => told.status === "read");
  put(one("#share-of-time"), ...(s.latency.parts.length ? [html("span", {}, `Of the ${duration(delivered.p50_ms)}:`), ...s.latency.parts.map(part)] : []),
    html("span", {}, [read && `read after ${duration(read.p50_ms)}`, "from a sixteenth of them", s.counted_at && `as of ${clockSeconds(s.counted_at)}`].filter(Boolean).join(" · ")));
}

const WHOSE = { ours: ["clicked", "from the intent to send until the provider took it"], provider: ["delivered", "until the provider had sent it on"], phone: ["sent", "until it was delivered"] };
const part = ({ whose, ms }) => html("span", { class: `key ${WHOSE[whose][0]}`, title: WHOSE[whose][1] }, `${whose} ${duration(ms)}`);

function routes(s) {
  const retry = s.attempts.arrived_only_by_retry, at = s.all_providers.read_at;
  say("#retry-note", [retry && `${count(retry)} arrived only because they were tried again`, at && `counted ${clockSeconds(at)}`].filter(Boolean).join(" · "));
  const fold = s.providers.slice(0, isPhone() ? 9 : 5);
  put(one("#routes"), ...fold.map((line) => routeRow(s, line)), allRow(s));
}

function routeRow(s, line) {
  const of = (reached, text, cls) => cell(figure(text, { provider: line.provider, reached }, `Messages ${reached}, as ${line.provider} reports`), cls);
  const weak = line.state === "alert" ? "watch" : null, late = s.plan.sla_p95_ms && line.p95_ms > s.plan.sla_p95_ms ? "watch" : null;
  return html("tr", {},
    html("th", { scope: "row" }, line.channels.map(channel).join(", ") || "–", " ", html("span", { class: "code" }, line.provider)),
    html("td", { class: "l" }, tag(line.state, line.state[0].toUpperCase() + line.state.slice(1), { steady: "ok", alert: "watch", quiet: "idle" }[line.state])),
    of("sent", count(line.sent)), cell(`${count(line.per_s)}/s`), of("delivered", percent(line.delivered_rate), weak),
    line.read_rate == null ? html("td", { class: "code", title: "No such receipts" }, "none") : of("read", percent(line.read_rate)),
    of("failed", percent(line.failed_rate), weak), cell(duration(line.p95_ms), late), html("td", {}, spark(line.trend)));
}

// Read with the rows above it, not with the funnel: they are to agree.
function allRow(s) {
  const all = s.all_providers, of = (reached, text) => cell(figure(text, { reached }, `Messages ${reached}`), "strong");
  const delivered = s.latency.percentiles.find((told) => told.status === "delivered");
  return html("tr", {}, html("th", { scope: "row" }, "All"),
    html("td", { class: "l code" }, s.cost?.total ? `cost ${s.cost.counted_at ? `as of ${clockSeconds(s.cost.counted_at)}` : "so far"} ${money(s.cost.total)}` : ""),
    of("sent", count(all.sent)), cell(`${count(s.providers.reduce((sum, line) => sum + line.per_s, 0))}/s`, "strong"), of("delivered", percent(all.delivered_rate)), of("read", percent(all.read_rate)),
    of("failed", percent(all.failed_rate)), cell(duration(delivered?.p95_ms), "strong"), html("td", {}, spark(s.recent.sent)));
}

// Opens the messages that it counts; whoever came by a share link sees the number alone.
const figure = (text, query, title) => (SHARED ? text : opener(text, query, title));
const cell = (text, cls) => html("td", {}, html(cls ? "b" : "span", { class: cls, "data-n": true }, text));

function failures(s) {
  const total = s.failures.reduce((sum, failure) => sum + failure.messages, 0);
  one("#no-failures").hidden = s.failures.length > 0;
  say("#all-reasons", s.failures.length ? `all ${s.failures.length}` : "");
  put(one("#failures"), ...s.failures.slice(0, 5).map((failure) => failureRow(failure, total)));
}

function failureRow(failure, total) {
  return html("tr", {},
    html("th", { scope: "row", class: "two clip wrap", title: `${failure.provider} ${failure.error_code}` }, figure(failure.meaning, reason(failure), failure.meaning),
      html("span", {}, html("b", {}, failure.owner), ["Nobody", "Automatic"].includes(failure.owner) ? `: ${failure.action}` : ` ${failure.action}`)),
    html("td", { class: "opt" }, spark(failure.trend)), html("td", {}, html("b", { "data-n": true }, count(failure.messages))), html("td", {}, html("span", { "data-n": true }, percent(total ? failure.messages / total : null, 0))));
}

// The terms of the accounting line; the sum closes it.
function ledger(s) {
  const lines = s.accounting.lines.filter((line) => line.messages || !line.what.startsWith("screened"));
  const largest = lines.length > 9 ? fold(lines) : lines;
  put(one("#ledger"), term("=", "", "audience", s.accounting.audience), ...largest.map((line, i) => term(i < largest.length - 1 ? "+" : "", i ? "+" : "", line.what.replace("screened: ", ""), line.messages, line.what)));
  const gap = s.accounting.gap;
  put(one("#adds-up"), ...(gap == null ? ["No plan to add up to"] : gap ? [html("b", { class: "act" }, icon("act"), ` Gap of ${count(gap)}`)] : [html("b", {}, icon("ok"), " Adds up"), s.counted_at ? `, as of ${clockSeconds(s.counted_at)}` : ", no gap"]));
  const checked = clockSeconds(s.exactness.checked_at);
  put(one("#exact"), ...(s.exactness.exact == null ? [s.exactness.note] : s.exactness.exact ? [html("b", {}, icon("seal"), " Exact"), `, checked ${checked}`] : [html("b", { class: "act" }, icon("act"), " Not exact"), `, checked ${checked}`]));
}

function fold(lines) {
  const few = lines.filter((line) => line.what.startsWith("screened")).sort((a, b) => a.messages - b.messages).slice(0, lines.length - 8);
  const rest = lines.filter((line) => !few.includes(line));
  const place = rest.findLastIndex((line) => line.what.startsWith("screened"));
  rest.splice(place + 1, 0, { what: `${few.length} more screened`, messages: few.reduce((sum, line) => sum + line.messages, 0) });
  return rest;
}

// Queued messages have no record yet, and folded lines are several: they open nothing.
const CLOSED = /^$|^queued$|more screened$/;
const term = (op, sign, what, messages, line = "") => html("div", { "data-op": op, "data-sign": sign }, html("dt", {}, what),
  html("dd", { "data-n": true }, CLOSED.test(line) ? count(messages) : figure(count(messages), { line }, `Messages ${line}`)));

offerTables(
  {
    recent: () => [[["Time", "allowed", "sent", "delivered", "failed"], recent.rows()], ...(latest?.heatmap ? [gridTable(latest.heatmap)] : [])],
    hist: () => [[["From", "To", "Messages"], (latest?.latency.delivered ?? []).map((told) => [duration(told.from_ms), duration(told.to_ms), count(told.messages)])]],
  },
  { hides: { recent: ["strip"] }, changed: () => recent.redraw() },
);
if (SHARED) all("[data-rows]").forEach((button) => button.replaceWith(html("span", { class: "figure", "data-n": true }, "0")));
one("#all-reasons").addEventListener("click", () => latest && rows.reasons(latest.failures, latest.failures.reduce((sum, failure) => sum + failure.messages, 0)));
one("#again").addEventListener("click", () => source.tryNow());
one("#share")?.addEventListener("click", async () => {
  const answer = await fetch(`${API}/share`, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
  if (!answer.ok) return rows.open("No link could be made", html("p", {}, (await answer.json()).title));
  const link = await answer.json(), address = new URL(link.path, location).href;
  const copy = html("button", { onclick: () => navigator.clipboard.writeText(address).then(() => say(copy, "Copied")) }, "Copy");
  rows.open("A link to this page", html("p", {}, `Whoever has it sees this page until ${when(link.expires_at)} ${zone()}, and nothing else: no rows, no exports, no costs, no notes of yours, no other campaigns.`), html("p", { class: "link-line" }, html("input", { readonly: true, value: address, "aria-label": "Link" }), copy));
});
one("#export")?.addEventListener("click", () => rows.open("Export", html("p", { class: "note" }, "Counts: messages by status and minute. Messages: when each first reached each status; no recipients."),
  html("ul", { class: "files" }, ...["counts.csv", "counts.parquet", "messages.csv", "messages.parquet"].map((file) => html("li", {}, html("a", { href: `${API}/export/${file}`, download: true }, file))))));
addEventListener("resize", () => latest && show(latest));
