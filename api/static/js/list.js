// The list of campaigns: asked for every two seconds, twenty at a time.
import { channel, count, percent, when, zone } from "./format.js";
import { html, one, put, putOnce, say } from "./dom.js";
import { showVerdict, startFrame, tag } from "./frame.js";
import { Poll } from "./poll.js";

const PAGE = 20;
const WORDS = { ready: ["idle", "Ready"], running: ["ok", "Running", "ok"], paused: ["paused", "Paused", "paused"], silent: ["act", "Silent", "act"], done: ["idle", "Done", "done"] };
const asked = new URLSearchParams(location.search);
let skip = 0;

startFrame();
one("#find").value = asked.get("search") ?? "";
say("#when-word", `Planned (${zone()})`);

const sought = () => one("#find").value.trim();
const poll = new Poll({
  url: () => `/api/campaigns?${new URLSearchParams({ search: sought(), at_most: PAGE, skip })}`,
  everyMs: 2000, staleMs: 5000, isEmpty: ({ total }) => total === 0, onAnswer: show, onTurn: verdict,
});

function show(page) {
  verdict(page);
  const { campaigns, total } = page, none = campaigns.length === 0;
  one("#blank").hidden = !none;
  one("#table").hidden = none;
  const search = sought();
  say("#blank-word", search ? `Nothing is called “${search}”.` : "No campaign yet.");
  one("#blank-note").hidden = Boolean(search);
  putOnce(one("#campaigns"), JSON.stringify(campaigns), () => campaigns.map(row));
  say("#range", none ? "" : `${count(skip + 1)}–${count(skip + campaigns.length)} of ${count(total)}`);
  one("#older").hidden = skip + PAGE >= total;
  one("#newer").hidden = skip === 0;
}

function verdict(page) {
  const phase = (name) => page.campaigns.filter((line) => line.phase === name);
  const told = ["running", "paused", "silent", "ready", "done"].map((name) => [phase(name).length, name]).filter(([n]) => n);
  say("#phases", told.length ? ` · ${told.map(([n, name]) => `${n} ${name === "ready" ? "not begun" : name}`).join(", ")}` : "");
  showVerdict(judge(page, phase), poll.state, poll.at, "Campaigns");
}

function judge(page, phase) {
  const silent = phase("silent"), running = phase("running");
  if (silent.length) return { state: "act", word: "Act now", sentence: `on ${silent[0].name}: its sender fell silent.`, more: "starts it again: python -m flows.send.", owner: "Messaging ops" };
  if (running.length) return { state: "ok", word: "On the way.", sentence: `${running.length} running, ${count(running.reduce((sum, line) => sum + line.sent, 0))} sent so far.`, more: "Open one to see whether anybody must act." };
  if (phase("paused").length) return { state: "paused", word: "Paused.", sentence: `${phase("paused")[0].name} waits.`, more: "" };
  if (!page.campaigns.length) return { state: "ready", word: "Ready.", sentence: "No campaign to show.", more: "" };
  return { state: "done", word: "Calm.", sentence: "Nothing is being sent.", more: "Reads of the last campaigns still come in." };
}

function row(line) {
  const [look, word, icon] = WORDS[line.phase], share = (n) => (line.audience ? Math.min(1, n / line.audience) : 0);
  const bar = (name, n, x = 0) => html("i", { class: name, "--w": `${(share(n) * 100).toFixed(2)}%`, "--x": `${(x * 100).toFixed(2)}%` });
  const words = ["sent", "delivered", "read", "clicked", "failed"].map((name) => `${percent(share(line[name]))} ${name}`).join(", ");
  return html("tr", {},
    html("td", { class: "l tag" }, tag(look, word, icon ?? "idle")),
    html("th", { scope: "row", class: "two" }, html("a", { href: `/c/${encodeURIComponent(line.campaign_id)}` }, line.name), html("span", {}, channel(line.channel))),
    html("td", { class: "l far" }, html("div", { class: "mini", role: "img", "aria-label": `${words}, of the audience` }, bar("sent", line.sent), bar("delivered", line.delivered), bar("read", line.read), bar("clicked", line.clicked), bar("failed", line.failed, Math.max(0, share(line.sent) - share(line.failed))))),
    html("td", {}, html("span", { "data-n": true }, count(line.audience))),
    cell(line.sent ? percent(line.delivered_rate) : ""), html("td", { class: "opt" }, line.sent ? line.read_rate == null ? html("span", { class: "code" }, "none") : html("span", { "data-n": true }, percent(line.read_rate)) : ""),
    cell(line.sent ? percent(line.failed_rate) : ""), html("td", { class: "l opt code when" }, html("span", { "data-n": true }, when(line.frozen_at))));
}

const cell = (text) => html("td", {}, text && html("span", { "data-n": true }, text));

function turn(pages) {
  skip = Math.max(0, skip + pages * PAGE);
  poll.refresh();
}

one("#older").addEventListener("click", () => turn(1));
one("#newer").addEventListener("click", () => turn(-1));
one("#again").addEventListener("click", () => poll.refresh());
one("#search").addEventListener("submit", (event) => event.preventDefault());
one("#find").addEventListener("input", () => {
  skip = 0;
  history.replaceState(null, "", one("#find").value ? `?search=${encodeURIComponent(one("#find").value)}` : "/");
  poll.refresh();
});
poll.refresh();
