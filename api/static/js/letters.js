// Dead letters by reason, and what to do about each: asked for every five seconds.
import { count, when } from "./format.js";
import { html, one, putOnce, say } from "./dom.js";
import { showVerdict, startFrame, tag } from "./frame.js";
import { Poll } from "./poll.js";

startFrame();

const poll = new Poll({ url: () => "/api/dead-letters", everyMs: 5000, staleMs: 12_000, onAnswer: show, onTurn: verdict });

function show(told) {
  say("#span", ` · the last ${told.days} days`);
  verdict(told);
  one("#none").hidden = told.reasons.length > 0;
  putOnce(one("#letters"), JSON.stringify(told.reasons), () => told.reasons.map(reason));
}

function verdict(told) {
  showVerdict(judge(told), poll.state, poll.at, "Dead letters");
}

function judge({ open, reasons }) {
  const left = reasons.filter((line) => line.open);
  if (!open) return { state: "ok", word: "All well.", sentence: "No dead letter is open.", more: "Nobody has to act." };
  return { state: "watch", word: "Watch.", sentence: `${count(open)} ${open === 1 ? "letter is" : "letters are"} open, for ${left.length} ${left.length === 1 ? "reason" : "reasons"}.`,
    more: "Each is kept with its origin and payload: mend the cause, then replay. What was replayed twice counts once." };
}

function reason(line) {
  const id = `${line.topic}-${line.reason}`;
  return html("section", { "aria-labelledby": id },
    html("div", { class: "head" }, html("h2", { id }, words(line.reason)), html("p", {}, line.topic),
      html("p", { class: "end" }, line.open ? tag("watch", `${count(line.open)} open`) : tag("ok", "None open"))),
    html("dl", { class: "facts" }, fact("Counted", count(line.letters)), fact("Replayed", count(line.replayed)), fact("Discarded", count(line.discarded)),
      fact("Oldest", when(line.first_at)), fact("Newest", when(line.last_at))),
    html("p", { class: "advice" }, html("b", {}, "What to do: "), `${line.next_step}. `, html("span", { class: "note" }, `Most likely ${line.whose}.`)),
    html("pre", { class: "commands", tabindex: 0, role: "group", "aria-label": `Commands for ${words(line.reason)}` },
      html("code", {}, [line.show, line.replay, line.discard].join("\n"))));
}

const words = (text) => text.replaceAll("_", " ").replace("json", "JSON").replace("utf8", "UTF-8").replace(/^./, (letter) => letter.toUpperCase());
const fact = (name, value) => html("div", {}, html("dt", {}, name), html("dd", { "data-n": true }, value));

one("#again").addEventListener("click", () => poll.refresh());
poll.refresh();
