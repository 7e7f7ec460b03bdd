// What all pages share: theme, freshness, verdict band, states.
import { clockSeconds, withTimes, zone } from "./format.js";
import { all, html, one, put, say } from "./dom.js";
import { draw, drawAll, icon } from "./icons.js";

const ROOT = document.documentElement;
const TELL_EVERY_MS = 30_000;
let told = { text: "", at: -Infinity };

export function startFrame() {
  const kept = localStorage.getItem("theme");
  const asked = new URLSearchParams(location.search).get("theme");
  if (asked ?? kept) ROOT.dataset.theme = asked ?? kept;
  one("[data-theme-toggle]")?.addEventListener("click", switchTheme);
  drawAll();
}

export const isDark = () =>
  ROOT.dataset.theme ? ROOT.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

function switchTheme() {
  ROOT.dataset.theme = isDark() ? "light" : "dark";
  localStorage.setItem("theme", ROOT.dataset.theme);
  dispatchEvent(new Event("themechange"));
}

// Screen readers hear verdict and freshness at most every half minute, not each second.
function tell(text) {
  const now = performance.now();
  if (text === told.text || (told.text && now - told.at < TELL_EVERY_MS)) return;
  told = { text, at: now };
  say("[data-told]", text);
}

export function showState({ state, age, lostAt, retryS, snapshot }) {
  const shown = state === "live" && snapshot?.nothing ? "empty" : state;
  ROOT.dataset.state = shown;
  all("[data-when]").forEach((node) => (node.hidden = !node.dataset.when.split(" ").includes(shown)));
  one("main")?.setAttribute("aria-busy", String(state === "loading"));
  put(one("[data-fresh]"), ...freshness(state, age, lostAt, retryS, snapshot));
  return shown;
}

function freshness(state, age, lostAt, retryS, snapshot) {
  const at = snapshot?.freshness?.data_at;
  if (state === "loading") return [html("span", {}, "Loading…")];
  if (state === "live")
    return [html("i", { class: "dot" }), html("b", {}, "Live"), html("span", { class: "age" }, `${(age / 1000).toFixed(1)} s old`),
      html("span", { class: "long" }, `· ${clockSeconds(at)} ${zone()}`)];
  if (state === "stale")
    return [icon("clock"), html("b", {}, "Stale"), html("span", { class: "age" }, `${Math.round(age / 1000)} s old`),
      html("span", { class: "long" }, `· last data ${clockSeconds(at)} ${zone()}`)];
  const again = retryS == null ? "" : ` · trying again in ${retryS} s`;
  return [icon("unplug"), html("b", {}, "Disconnected"), html("span", {}, `since ${clockSeconds(lostAt)}`), html("span", { class: "long" }, again)];
}

// `verdict`: state, word, sentence, more, owner. Stale data may not judge.
export function showVerdict(verdict, state, at, title) {
  const fresh = state === "live" || state === "empty";
  const judged = { ok: "ok", done: "ok", watch: "watch", act: "act", paused: "paused" }[verdict.state] ?? "idle";
  ROOT.dataset.verdict = fresh ? judged : "idle";
  const sentence = withTimes(verdict.sentence, verdict);
  const word = fresh ? verdict.word : `As of ${clockSeconds(at)}: ${verdict.word.toLowerCase().replace(/[.]$/, "")},`;
  const more = { stale: "Sending goes on; only this page is behind. Colour returns with the next data.",
    disconnected: "This page lost its connection. Sending goes on and nothing is lost." }[state] ?? verdict.more;
  const name = state === "stale" ? "clock" : state === "disconnected" ? "unplug" : { ready: "idle" }[verdict.state] ?? verdict.state;
  draw(one("[data-verdict-icon]"), name, true);
  put(one("[data-verdict-say]"), html("strong", {}, word), " ", sentence);
  put(one("[data-verdict-more]"), fresh && verdict.owner ? html("b", {}, `${verdict.owner}: `) : "", more);
  document.title = `${fresh ? verdict.word.replace(/[.]$/, "") : "Old data"} · ${title} · Tidemark`;
  tell(`${word} ${sentence} ${state === "live" ? "" : state}`);
}

export const tag = (state, word, name) =>
  html("span", { class: `tag ${{ steady: "ok", ok: "ok", alert: "watch", watch: "watch", act: "act", paused: "hold" }[state] ?? "idle"}` },
    icon(name ?? state), ` ${word}`);
