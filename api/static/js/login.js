// A key becomes a session; then back to where one came from, on this site only.
import { one, say } from "./dom.js";

const to = new URLSearchParams(location.search).get("to") ?? "/";
one("#login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/api/session", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ key: one("#key").value }) });
  if (!answer.ok) return say("#said", (await answer.json()).title);
  const target = new URL(to, location);
  location.href = target.origin === location.origin ? target.pathname : "/";
});
