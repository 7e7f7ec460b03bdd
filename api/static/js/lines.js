// Time series with uPlot: marks of events, labels at the lines' ends, a readout in the heading that arrow keys move.
import uPlot from "/static/uplot/uPlot.esm.js";
import { clock, clockSeconds, count } from "./format.js";
import { say } from "./dom.js";
import { isPhone } from "./charts.js";

export const PAD = { left: 42, right: 132 };
const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// uPlot paints on a canvas: light-dark() has to be worked out first.
function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export class Lines {
  // `series`: [{name, ink, dash, fill}], `unit` behind values; `readout` an element that tells the values under the cursor.
  constructor(node, { series, unit = "", readout = null, shown = count, few = false, bare = false, right = null }) {
    Object.assign(this, { node, series, unit, readout, shown, few, bare, right });
    this.marks = [];
    this.rings = [];
    this.data = null;
    this.key = "";
    new ResizeObserver(() => this.fit()).observe(node);
    addEventListener("themechange", () => this.redraw());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    node.addEventListener("keydown", (event) => this.move(event));
    node.addEventListener("blur", () => this.plot?.setCursor({ left: -10, top: -10 }));
  }

  // `columns`: [times in s, values…]; `marks`: [{at, what}]; `rings`: [[series, place]].
  show(columns, marks = [], rings = []) {
    const key = JSON.stringify([columns, marks, rings]);
    if (key === this.key) return;
    this.key = key;
    Object.assign(this, { data: columns, marks, rings });
    if (this.plot && this.plot.width === this.node.clientWidth && this.plot.height === this.node.clientHeight) this.plot.setData(columns);
    else this.redraw();
  }

  fit() {
    if (this.plot && (this.plot.width !== this.node.clientWidth || this.plot.height !== this.node.clientHeight)) this.redraw();
  }

  get padRight() {
    return this.right ?? (isPhone() ? 88 : PAD.right);
  }

  redraw() {
    if (!this.data) return;
    this.plot?.destroy();
    const [wide, high] = [this.node.clientWidth, this.node.clientHeight];
    if (wide < 40 || high < 30) return;
    this.plot = new uPlot(this.options(wide, high), this.data, this.node);
  }

  options(width, height) {
    const [soft, line, axis] = [colour("--ink-3"), colour("--line"), colour("--axis")];
    const font = `11px ${ink("--sans")}`;
    const axes = { stroke: soft, font, ticks: { show: false }, border: { show: false } };
    return {
      width, height, padding: [this.few ? 8 : 18, this.padRight, 0, 0], legend: { show: false },
      cursor: { y: false, drag: { setScale: false }, points: { show: false } }, select: { show: false },
      scales: { x: { time: true }, y: { range: () => [0, this.top()] } },
      axes: [
        { ...axes, size: this.bare ? 6 : 18, gap: 2, grid: { show: false }, space: this.few ? 110 : 90, values: (_u, times) => times.map((t) => (this.bare ? "" : clock(t * 1000))) },
        { ...axes, size: this.unit ? 58 : PAD.left, gap: 4, space: height / 3.2, grid: { stroke: line, width: 1 }, values: (_u, values) => values.map((v) => this.tick(v)) },
      ],
      series: [{}, ...this.series.map((told) => ({
        label: told.name, stroke: colour(told.ink), width: 1.6, dash: told.dash, spanGaps: false, points: { show: false },
        fill: told.fill ? colour(told.ink).replace("rgb(", "rgba(").replace(")", ", .16)") : undefined,
      }))],
      hooks: { draw: [(u) => this.decorate(u, axis)], setCursor: [(u) => this.read(u)] },
    };
  }

  // A few far-out values are cut off, so that they don't flatten all others.
  top() {
    const values = this.data.slice(1).flat().filter((value) => value != null).sort((a, b) => a - b);
    const most = values.at(-1) ?? 0, usual = values[Math.floor(values.length * 0.97)] ?? 0;
    return (usual > 0 && most > 4 * usual ? usual * 1.5 : most) * 1.08 || 1;
  }

  tick(value) {
    const text = value >= 1e6 ? `${value / 1e6}M` : value >= 10_000 ? `${value / 1000}k` : value.toLocaleString("en-US");
    return value && this.unit ? `${text}${this.unit}` : text;
  }

  decorate(u, axis) {
    const { ctx } = u, ratio = devicePixelRatio, { left, top, width, height } = u.bbox;
    ctx.save();
    ctx.setLineDash([]);
    ctx.lineWidth = ratio;
    ctx.font = `${11 * ratio}px ${ink("--sans")}`;
    ctx.strokeStyle = axis;
    ctx.beginPath();
    ctx.moveTo(left, top + height);
    ctx.lineTo(left + width, top + height);
    ctx.stroke();
    const shown = isPhone() ? this.marks.slice(-1) : this.marks;
    let taken = Infinity;
    for (const mark of [...shown].reverse()) taken = this.flag(u, mark, taken);
    for (const [place, at] of this.rings) this.ring(u, place, at);
    this.labels(u);
    ctx.restore();
  }

  // Latest first: an earlier mark whose words would run into a later one's keeps only its line.
  flag(u, mark, taken) {
    const { ctx } = u, ratio = devicePixelRatio, { left, top, width, height } = u.bbox, x = u.valToPos(mark.at, "x", true);
    if (x < left || x > left + width) return taken;
    const wide = ctx.measureText(mark.what).width, flip = x + wide + 8 * ratio > Math.min(taken, left + width + this.padRight * ratio * 0.2);
    const from = flip ? x - wide - 6 * ratio : x + 6 * ratio, fits = from > left && from + wide < taken;
    ctx.strokeStyle = colour("--ink-3");
    ctx.fillStyle = colour("--ink-2");
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, top - 12 * ratio);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.arc(x, top - 12 * ratio, 2.5 * ratio, 0, 7);
    ctx.fill();
    ctx.textAlign = "left";
    if (fits) ctx.fillText(mark.what, from, top - 8 * ratio);
    return fits ? Math.min(from, x) - 8 * ratio : taken;
  }

  ring(u, place, at) {
    const { ctx } = u, value = this.data[place + 1][at];
    if (value == null) return;
    ctx.strokeStyle = colour("--watch");
    ctx.lineWidth = 2.5 * devicePixelRatio;
    ctx.beginPath();
    ctx.arc(u.valToPos(this.data[0][at], "x", true), u.valToPos(value, "y", true), 5.5 * devicePixelRatio, 0, 7);
    ctx.stroke();
  }

  labels(u) {
    const { ctx } = u, ratio = devicePixelRatio, right = u.bbox.left + u.bbox.width;
    const ends = this.series.map((told, place) => {
      const values = this.data[place + 1], value = values.findLast((known) => known != null);
      return value == null ? null : { told, value, y: u.valToPos(value, "y", true) };
    });
    const known = ends.filter(Boolean).sort((a, b) => a.y - b.y);
    known.forEach((end, i) => i && (end.y = Math.max(end.y, known[i - 1].y + 13 * ratio)));
    const over = (known.at(-1)?.y ?? 0) - (u.bbox.top + u.bbox.height);
    if (over > 0) known.toReversed().forEach((end, i, list) => (end.y = Math.min(end.y, (i ? list[i - 1].y - 13 * ratio : u.bbox.top + u.bbox.height))));
    for (const { told, value, y } of known) {
      ctx.fillStyle = colour(told.ink);
      ctx.fillRect(right + 4 * ratio, y - 1.5 * ratio, 8 * ratio, 3 * ratio);
      ctx.textAlign = "left";
      ctx.fillStyle = colour("--ink-2");
      const name = told.name && !told.mute ? `${told.name} ` : "";
      ctx.fillText(name, right + 16 * ratio, y + 4 * ratio);
      const x = right + 16 * ratio + ctx.measureText(name).width;
      ctx.fillStyle = colour("--ink");
      ctx.font = `600 ${11 * ratio}px ${ink("--sans")}`;
      ctx.fillText(`${this.shown(value)}${this.unit}`, x, y + 4 * ratio);
      ctx.font = `${11 * ratio}px ${ink("--sans")}`;
    }
  }

  read(u) {
    if (!this.readout) return;
    const { idx } = u.cursor;
    if (idx == null || u.cursor.left < 0) return say(this.readout, "");
    const values = this.series.map((told, place) => `${told.name} ${this.shown(this.data[place + 1][idx])}`);
    say(this.readout, `${clockSeconds(this.data[0][idx] * 1000)}: ${values.join(", ")}`);
  }

  move(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.plot) return;
    event.preventDefault();
    const last = this.data[0].length - 1, at = Math.min(last, Math.max(0, (this.plot.cursor.idx ?? last) + step));
    this.plot.setCursor({ left: this.plot.valToPos(this.data[0][at], "x"), top: 10 });
  }

  // The same numbers as a table, thinned to half minutes.
  rows(every = 6) {
    return (this.data?.[0] ?? []).flatMap((at, i) => (i % every ? [] : [[clockSeconds(at * 1000), ...this.series.map((_, k) => this.shown(this.data[k + 1][i]))]]));
  }
}
