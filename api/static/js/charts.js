// Small charts in SVG. Ink is in CSS classes and variables, so that a change of theme needs no new data.
import { clock, duration, percent } from "./format.js";
import { svg } from "./dom.js";

const rule = (x1, y1, x2, y2, cls = "") => svg("line", { x1, y1, x2, y2, class: cls });
const box = (x, y, width, height, attributes = {}) =>
  svg("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), ...attributes });
const text = (x, y, label, cls = "", anchor = "start") => svg("text", { x, y, class: cls, "text-anchor": anchor }, label);
const size = (node) => [node.clientWidth, node.clientHeight];
export const isPhone = () => innerWidth <= 640;

// Values as a line, gaps left open.
function trace(values, x, y) {
  let path = "", open = false;
  values.forEach((value, i) => {
    if (value == null) return (open = false);
    path += `${open ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    open = true;
  });
  return path;
}

export function spark(values, { floor = null, most = null } = {}) {
  const node = svg("svg", { class: "spark", viewBox: "0 0 76 20", "aria-hidden": "true" });
  const told = values.filter((value) => value != null);
  if (!told.length) return node;
  const top = most ?? (Math.max(...told) || 1), bottom = floor == null ? 0 : Math.min(floor - (top - floor), ...told);
  const x = (i) => 1 + (i / Math.max(1, values.length - 1)) * 70, y = (v) => 17 - ((v - bottom) / (top - bottom || 1)) * 14;
  if (floor != null) node.append(rule(0, y(floor), 76, y(floor), "mark"));
  const last = values.findLastIndex((value) => value != null);
  node.append(svg("path", { d: trace(values, x, y), class: "ln thin" }), svg("circle", { cx: x(last), cy: y(values[last]), r: 2, class: "now" }));
  return node;
}

// The usual range as a band, today as a tick.
export function norm(value, low, high) {
  const node = svg("svg", { class: "norm", viewBox: "0 0 74 14", role: "img", "aria-label": `usual ${percent(low)} to ${percent(high)}` });
  const reach = Math.max(high - low, 0.01), from = Math.min(low, value) - reach, to = Math.max(high, value) + reach;
  const x = (v) => ((v - from) / (to - from)) * 74;
  node.append(rule(0, 7, 74, 7, "grid"), box(x(low), 4, Math.max(3, x(high) - x(low)), 6, { class: "band-usual", rx: 2 }), rule(x(value), 1, x(value), 13, "hair thick"));
  return node;
}

const REDRAWN = new WeakMap();
function changed(node, key) {
  const all = `${key} ${node.clientWidth}x${node.clientHeight}`;
  if (REDRAWN.get(node) === all) return false;
  REDRAWN.set(node, all);
  return true;
}

// Rows of half minutes: good is paper, bad is clay.
export function strip(node, rows, pad, full = 0.4) {
  if (!changed(node, JSON.stringify(rows))) return;
  const [w, h] = size(node), canvas = svg("svg"), high = h / Math.max(1, rows.length);
  rows.forEach(([name, shares], k) => {
    const wide = (w - pad.left - pad.right) / shares.length;
    shares.forEach((share, i) => {
      const heat = share == null ? 0 : Math.round(Math.min(100, Math.max(0, (share / full) * 100 - 4)));
      const cell = box(pad.left + i * wide, k * high + 1, wide - 1, high - 3, { class: share == null ? "cell gap" : "cell", rx: 1.5 });
      cell.style.setProperty("--heat", `${heat}%`);
      cell.append(svg("title", {}, `${name}: ${percent(share)}`));
      canvas.append(cell);
    });
    const last = shares.findLast((share) => share != null);
    canvas.append(text(w - pad.right + 8, k * high + high / 2 + 3, `${isPhone() ? name.slice(0, 9) : name} `, "mid"));
    canvas.lastChild.append(svg("tspan", { class: "strong" }, last == null ? "" : percent(last, 0)));
  });
  node.replaceChildren(canvas);
}

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
// Hour × weekday, the more the deeper.
export function grid(node, counts) {
  if (!changed(node, JSON.stringify(counts))) return;
  const [w, h] = size(node), canvas = svg("svg"), left = 38, wide = (w - left) / 24, high = (h - 14) / 7;
  const most = Math.max(1, ...counts.flat());
  counts.forEach((hours, day) => {
    canvas.append(text(left - 6, day * high + high / 2 + 3, DAYS[day], "", "end"));
    hours.forEach((n, hour) => {
      const cell = box(left + hour * wide, day * high, wide - 1, high - 1, { class: "cell deep", rx: 1.5 });
      cell.style.setProperty("--heat", `${Math.round((n / most) * 100)}%`);
      cell.append(svg("title", {}, `${DAYS[day]} ${hour}:00: ${n.toLocaleString("en-US")}`));
      canvas.append(cell);
    });
  });
  for (let hour = 0; hour < 24; hour += 3) canvas.append(text(left + hour * wide, h - 2, `${hour}:00`));
  node.replaceChildren(canvas);
}

// The same numbers, a row a weekday.
export function gridTable(counts) {
  const hours = counts[0].map((_, hour) => `${hour}:00`);
  return [["Reads, UTC", ...hours], counts.map((row, day) => [DAYS[day], ...row.map((n) => n.toLocaleString("en-US"))])];
}

// Messages by time to deliver, on a log axis; what is later than promised is clay.
export function histogram(node, cells, marks, slaMs) {
  if (!changed(node, JSON.stringify([cells, marks, slaMs]))) return;
  const [w, h] = size(node), canvas = svg("svg"), base = h - 17;
  const shown = cells.filter((cell) => cell.from_ms >= 10);
  const first = Math.max(10, shown[0]?.from_ms ?? 100), last = Math.max(slaMs ?? 0, shown.at(-1)?.to_ms ?? 60_000, first * 100);
  const lo = Math.log10(first), hi = Math.log10(last * 1.1), x = (ms) => ((Math.log10(Math.max(ms, first)) - lo) / (hi - lo)) * w;
  const dense = shown.map((cell) => ({ ...cell, high: cell.messages / Math.log10((cell.to_ms ?? cell.from_ms * 1.1) / cell.from_ms) }));
  const most = Math.max(1, ...dense.map((cell) => cell.high));
  for (const cell of dense) {
    const high = (cell.high / most) * (base - 20), at = x(cell.from_ms);
    canvas.append(box(at, base - high, x(cell.to_ms ?? cell.from_ms * 1.1) - at - 1, high, { class: slaMs && cell.from_ms >= slaMs ? "cell-bar late" : "cell-bar" }));
  }
  canvas.append(rule(0, base, w, base, "axis"));
  const inside = (ms) => ms >= first && ms <= last, whole = [10, 100, 1e3, 1e4, 6e4, 6e5, 3.6e6, 8.64e7].filter(inside);
  const ticks = whole.length > 3 ? whole : [10, 30, 100, 300, 1e3, 3e3, 1e4, 3e4, 1.2e5, 6e5, 3.6e6].filter(inside);
  ticks.forEach((ms) => canvas.append(text(Math.min(w - 14, Math.max(0, x(ms))), h - 3, duration(ms).replace(".0", ""), "", x(ms) < 20 ? "start" : "middle")));
  if (slaMs) flag(canvas, x(slaMs), base, 2, `SLA ${duration(slaMs)}`, "limit", w);
  marks.forEach(([name, ms], i) => ms && flag(canvas, x(ms), base, 2 + i * 12, name, "hair", w, slaMs && x(slaMs) > x(ms) && x(slaMs) - x(ms) < BESIDE_PX));
  node.replaceChildren(canvas);
}

const BESIDE_PX = 34;

// Its word stands on the left where there is no room on the right, or another's line.
function flag(canvas, x, base, top, label, cls, w, isBeside = false) {
  const left = isBeside || x > w - 60;
  canvas.append(rule(x, top, x, base, cls), text(x + (left ? -5 : 5), top + 8, label, "strong halo", left ? "end" : "start"));
}

// Start, now, and the range in which it ends.
export function eta(node, pace, now) {
  if (!changed(node, JSON.stringify([pace.done_at, pace.done_from, pace.done_to]))) return;
  const [w] = size(node), canvas = svg("svg"), from = Date.parse(pace.started_at), to = Date.parse(pace.done_to);
  const x = (t) => Math.min(w, ((t - from) / ((to - from) * 1.06 || 1)) * w), y = 7;
  const first = x(Date.parse(pace.done_from)), last = x(to), best = x(Date.parse(pace.done_at));
  canvas.append(rule(0, y, w, y, "axis"), rule(0, y, x(now), y, "gone"),
    box(first, y - 5, Math.max(6, last - first), 10, { class: "range", rx: 2 }), rule(best, y - 7, best, y + 7, "hair thick"),
    text(0, 27, clock(pace.started_at)));
  const range = clock(pace.done_from) === clock(pace.done_to) ? clock(pace.done_at) : `${clock(pace.done_from)}–${clock(pace.done_to)}`;
  canvas.append(text(Math.min(best, w - 34), 27, range, "strong", "middle"));
  if (x(now) > 60 && x(now) < best - 80) canvas.append(text(x(now), 27, "now", "", "middle"));
  node.replaceChildren(canvas);
}
