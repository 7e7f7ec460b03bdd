// Charts shown as tables: a button beside each chart swaps it for its numbers, and back.
import { all, html, one } from "./dom.js";

// `lists[name]()`: [[head, rows]…] of the chart whose id is `name`; `hides`: what else goes while its table is shown.
export function offerTables(lists, { hides = {}, changed = () => {} } = {}) {
  all("[data-table]").forEach((button) => button.addEventListener("click", () => {
    const name = button.dataset.table, shown = button.getAttribute("aria-pressed") !== "true", place = one(`#${name}-table`);
    button.setAttribute("aria-pressed", String(shown));
    for (const id of [name, ...(hides[name] ?? [])]) one(`#${id}`).hidden = shown;
    place.hidden = !shown;
    place.replaceChildren(...(shown ? lists[name]().map(([head, rows]) => table(head, rows)) : []));
    changed();
  }));
}

function table(head, rows) {
  return html("table", { class: "rows" },
    html("thead", {}, html("tr", {}, ...head.map((text) => html("th", { scope: "col" }, text)))),
    html("tbody", {}, ...rows.map(([first, ...rest]) => html("tr", {}, html("th", { scope: "row" }, first), ...rest.map((text) => html("td", {}, text))))));
}
