// The operations page: do the flows keep up, and do the providers?
import { channel, clock, clockSeconds, count, duration, money, percent, when } from "./format.js";
import { html, one, put, putOnce, say } from "./dom.js";
import { icon } from "./icons.js";
import { isPhone, spark } from "./charts.js";
import { Lines } from "./lines.js";
import { showState, showVerdict, startFrame, tag } from "./frame.js";
import { Source } from "./source.js";
import { offerTables } from "./tables.js";

const THRESHOLD = 0.9;
const LANES = ["delivered", "read", "other", "all"];
const INKS = [{ ink: "--ink" }, { ink: "--ink-2" }, { ink: "--ink-2", dash: [7, 3] }, { ink: "--ink-2", dash: [2, 3] }, { ink: "--ink-3" }, { ink: "--ink-3", dash: [4, 2] }];
const LANE_INKS = { delivered: "--delivered", read: "--read", other: "--sent", all: "--ink-2" };
const laneLines = new Map();
let channels = null, names = "", state = "loading", latest = null;

startFrame();
const inserts = new Lines(one("#inserts"), { few: true, right: 118, shown: duration, wideTicks: true, series: [{ name: "mean", ink: "--delivered", fill: true }, { name: "slowest", ink: "--read" }] });
const source = new Source("/api/ops/live", {
  onSnapshot: (snapshot) => show(latest = snapshot),
  onState: (told) => {
    const before = state;
    state = showState(told);
    if (state !== before && latest) showVerdict(latest.verdict, state, latest.freshness.data_at, "Operations");
  },
});
offerTables(
  {
    channels: () => [
      [["Time", ...(latest?.channels ?? []).map((line) => channel(line.channel)), "Allowed, all"], channels?.rows() ?? []],
      ...(latest?.marks.length ? [[["Time", "What happened"], latest.marks.map((mark) => [clockSeconds(mark.at * 1000), mark.what])]] : []),
    ],
    lanes: () => [...laneLines].map(([name, { lines }]) => [["Time", `${name}, behind`], lines.rows()]),
    inserts: () => [[["Time", "mean", "slowest"], inserts.rows()]],
  },
  { changed: () => [channels, inserts, ...[...laneLines.values()].map((lane) => lane.lines)].forEach((lines) => lines?.redraw()) },
);
one("#again").addEventListener("click", () => source.tryNow());

function show(s) {
  say("#busy", ` · ${count(s.campaigns_running)} ${s.campaigns_running === 1 ? "campaign" : "campaigns"} running, ${count(s.events_per_s)} events/s in`);
  showVerdict(s.verdict, state, s.freshness.data_at, "Operations");
  rates(s);
  lanes(s);
  providers(s);
  inserts.show([s.at, s.inserts.mean_ms, s.inserts.slowest_ms], flowMarks(s));
  letters(s);
  facts(s);
}

function rates(s) {
  const told = s.channels.map((line) => line.channel).join();
  if (told !== names || !channels) {
    names = told;
    channels?.plot?.destroy();
    channels = new Lines(one("#channels"), { readout: one("#readout"), right: isPhone() ? 146 : 176,
      series: [...s.channels.map((line, i) => ({ name: channel(line.channel), ...INKS[i % INKS.length] })), { name: "allowed, all", ink: "--axis", dash: [5, 3] }] });
  }
  if (!s.channels.length) return;
  s.channels.forEach((line, i) => (channels.series[i].of = line.allowed_per_s));
  channels.show([s.at, ...s.channels.map((line) => line.per_s), s.allowed], s.marks, s.channels.flatMap((line, i) => line.unusual.map((place) => [i, place])));
  const last = (line) => count(line.per_s.findLast((value) => value != null));
  const words = s.channels.map((line) => `${channel(line.channel)} ${last(line)}${line.allowed_per_s == null ? "" : ` of ${count(line.allowed_per_s)} allowed`}`);
  one("#channels").setAttribute("aria-label", `Messages a second by channel, ${clock(s.at[0] * 1000)} to ${clock(s.at.at(-1) * 1000)}: ${words.join(", ")}. ${s.marks.map((mark) => `${clockSeconds(mark.at * 1000)} ${mark.what}`).join(". ")}`);
}

function lanes(s) {
  const shown = s.lanes.toSorted((a, b) => LANES.indexOf(a.lane) - LANES.indexOf(b.lane)).slice(0, 5);
  const node = one("#lanes");
  putOnce(node, shown.map((lane) => `${lane.flow} ${lane.lane}`).join(), () => {
    laneLines.clear();
    return shown.map((lane, place) => {
      const chart = html("div", { class: "chart", role: "img" }), told = html("span", { class: "note" });
      const key = `${lane.flow} ${lane.lane}`;
      laneLines.set(key, { chart, told, lines: new Lines(chart, { few: true, bare: place < shown.length - 1, right: 78, shown: duration, wideTicks: true, series: [{ name: key, mute: true, ink: LANE_INKS[lane.lane] ?? "--sent", fill: true }] }) });
      return html("figure", {}, html("figcaption", {}, html("b", {}, lane.lane === "all" ? lane.flow : lane.lane), " ", told), chart);
    });
  });
  for (const lane of shown) {
    const { chart, told, lines } = laneLines.get(`${lane.flow} ${lane.lane}`);
    say(told, `${count(lane.events_per_s)}/s · batch waits ${duration(lane.batch_age_ms)} at most${lane.retries ? ` · ${count(lane.retries)} retries` : ""}`);
    lines.show([s.at, lane.lag_ms_series], flowMarks(s));
    chart.setAttribute("aria-label", `Lane ${lane.lane} of ${lane.flow}: ${duration(lane.lag_ms)} behind`);
  }
}

// In the small charts a mark is a line alone: its words stand in the large one.
const flowMarks = (s) => s.marks.filter((mark) => mark.whose === "flow").map(({ at }) => ({ at, what: "" }));

function providers(s) {
  one("#no-providers").hidden = s.providers.length > 0;
  put(one("#providers"), ...s.providers.slice(0, isPhone() ? 20 : 6).map((line) => {
    const weak = line.state === "alert", bar = html("i", { class: "bar" });
    bar.style.setProperty("--w", `${Math.min(96, Math.round((line.repeat_rate ?? 0) * 960))}px`);
    return html("tr", {},
      html("th", { scope: "row" }, channel(line.channel) || "–", " ", html("span", { class: "code" }, line.provider)),
      html("td", { class: "l" }, tag(line.state, line.state[0].toUpperCase() + line.state.slice(1), { steady: "ok", alert: "watch", quiet: "idle" }[line.state])),
      html("td", {}, html(weak ? "b" : "span", { class: weak ? "watch" : null, "data-n": true }, percent(line.success))),
      html("td", {}, spark(line.success_series, { floor: THRESHOLD, most: 1 })),
      html("td", { class: "l" }, html("span", { class: "bar-cell" }, bar, html("span", { "data-n": true }, line.repeat_rate == null ? "–" : percent(line.repeat_rate)))),
      html("td", {}, html("span", { "data-n": true }, `${count(line.per_s)}/s`)),
      html("td", {}, html("span", { "data-n": true }, money(line.cost_per_message, 3))),
      html("td", {}, html("span", { "data-n": true }, money(line.cost, line.cost < 100 ? 2 : 0))));
  }));
}

function letters(s) {
  one("#no-letters").hidden = s.dead_letters.length > 0;
  put(one("#letters"), ...s.dead_letters.slice(0, 4).map((line) => html("tr", {},
    html("th", { scope: "row" }, `dlq.${line.flow === "route" ? "webhook" : line.flow}`), html("td", { class: "l" }, line.reason.replaceAll("_", " ")),
    html("td", {}, html("b", { "data-n": true }, count(line.letters))), html("td", {}, html("span", { "data-n": true }, when(line.last_at))), html("td", {}, spark(line.trend)),
    html("td", { class: "l" }, line.next_step))));
}

function facts(s) {
  const { exactness } = s;
  put(one("#exact"), exactness.exact == null ? html("span", { class: "note" }, exactness.note) : exactness.exact ? tag("ok", "Exact", "seal") : tag("act", "Not exact", "act"));
  const oldest = s.unmatched_since ? duration(Date.parse(s.freshness.data_at) - Date.parse(s.unmatched_since)) : "–";
  const watched = s.live.filter((topic) => topic.viewers);
  put(one("#facts"),
    fact("Last full check", exactness.checked_at ? `${clockSeconds(exactness.checked_at)}, ${duration(exactness.seconds * 1000)}` : "–"),
    fact("Repeats held back, 15 min", `${count(s.repeats_dropped)} of ${count(s.events_15min)}`),
    fact("Statuses without a message yet", s.unmatched ? `${count(s.unmatched)}, oldest ${oldest}` : "none"),
    fact("Cost a message, last campaigns", s.cost_per_message == null ? "–" : s.cost_per_message.toFixed(3)),
    fact("Who watches live", `${count(watched.reduce((sum, topic) => sum + topic.viewers, 0))} on ${count(watched.length)} ${watched.length === 1 ? "page" : "pages"}`));
}

const fact = (name, value) => html("div", {}, html("dt", {}, name), html("dd", { "data-n": true }, value));
