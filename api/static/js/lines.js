// Time series with uPlot: marks of events, labels at the lines' ends, a readout in the heading that arrow keys move.
import uPlot from "/static/uplot/uPlot.esm.js";
import { clock, clockSeconds, count } from "./format.js";
import { say } from "./dom.js";
import { isPhone } from "./charts.js";

export const PAD = { left: 42, right: 132, phone: 112 };
const STEPS_S = [60, 180, 300, 900, 3600];
const NICE = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];
const [LATE_STEPS, NOW_STEPS] = [60, 6];
const FAR = 20;
const LITTLE_MS = 500;
const UNITS_MS = [8.64e7, 3.6e6, 6e4, 1e3, 1];

// The smallest round step of which two reach `most`: so an axis has three ticks, and rests while its values waver.
export function niceStep(most, unit = 1) {
  const half = Math.max(most / 2, Number.MIN_VALUE) / unit, power = 10 ** Math.floor(Math.log10(half));
  return NICE.find((nice) => nice * power >= half * 0.9999) * power * unit;
}

// uPlot draws at the screen's own resolution, so its canvas is spared the zoom of wall screens and drawn larger itself.
const step = () => Number(getComputedStyle(document.documentElement).getPropertyValue("--step")) || 1;
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
  // `series`: [{name, ink, dash, fill}], `readout` an element that tells the values under the cursor;
  // `wideTicks`: values are durations in ms, and so are told at the axis; a series' `of`: what its last value is measured against.
  constructor(node, { series, readout = null, shown = count, few = false, bare = false, right = null, wideTicks = false }) {
    Object.assign(this, { node, series, readout, shown, few, bare, right, wideTicks });
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
    if (this.fits()) this.plot.setData(columns);
    else this.redraw();
  }

  // In pixels of the canvas's own, larger on a wall screen.
  room() {
    return [this.node.clientWidth, this.node.clientHeight].map((size) => Math.floor(size * step()));
  }

  fits() {
    const [wide, high] = this.room();
    return this.plot?.width === wide && this.plot.height === high;
  }

  fit() {
    if (this.plot && !this.fits()) this.redraw();
  }

  get padRight() {
    return this.right ?? (isPhone() ? PAD.phone : PAD.right);
  }

  redraw() {
    if (!this.data) return;
    this.plot?.destroy();
    const [wide, high] = this.room();
    if (wide < 40 || high < 30) return;
    this.plot = new uPlot(this.options(wide, high), this.data, this.node);
  }

  options(width, height) {
    const [soft, line, axis] = [colour("--ink-3"), colour("--line"), colour("--axis")];
    const px = step(), font = `${11 * px}px ${ink("--sans")}`;
    const axes = { stroke: soft, font, ticks: { show: false }, border: { show: false } };
    return {
      width, height, padding: [(this.few ? 8 : 18) * px, this.padRight * px, 0, 0], legend: { show: false },
      cursor: { y: false, drag: { setScale: false }, points: { show: false } }, select: { show: false },
      scales: { x: { time: true }, y: { range: () => [0, this.top()] } },
      axes: [
        { ...axes, size: (this.bare ? 8 : 20) * px, gap: 2 * px, grid: { show: false }, incrs: STEPS_S, space: 62 * px, values: (u, times) => this.times(u, times) },
        { ...axes, size: (this.wideTicks ? 50 : PAD.left) * px, gap: 4 * px, grid: { stroke: line, width: px }, splits: () => (height < 60 * px ? [0, this.top()] : [0, this.top() / 2, this.top()]), values: (_u, values) => values.map((v) => this.tick(v)) },
      ],
      series: [{}, ...this.series.map((told) => ({
        label: told.name, stroke: colour(told.ink), width: 1.6 * px, dash: told.dash?.map((length) => length * px), spanGaps: false, points: { show: false },
        fill: told.fill ? colour(told.ink).replace("rgb(", "rgba(").replace(")", ", .16)") : undefined,
      }))],
      hooks: { draw: [(u) => this.decorate(u, axis)], setCursor: [(u) => this.read(u)] },
    };
  }

  // None so near the ends that it would run into the zero of the other axis or the lines' labels.
  times(u, times) {
    const half = 14 * step(), [first, last] = [half, u.bbox.width / devicePixelRatio - half].map((at) => u.posToVal(at, "x"));
    return times.map((t) => (this.bare || t < first || t > last ? "" : clock(t * 1000)));
  }

  // A few far-out values are cut off, so that they don't flatten all others. Of durations all that are far above what
  // was usual for five minutes and above the latest: a lane that caught up after days is looked at for its milliseconds.
  shownMost() {
    const values = this.data.slice(1).flat().filter((value) => value != null).sort((a, b) => a - b);
    const most = values.at(-1) ?? 0, usual = values[Math.floor(values.length * 0.97)] ?? 0;
    if (this.wideTicks) {
      const known = this.data.slice(1).map((series) => series.filter((value) => value != null).slice(-LATE_STEPS));
      const middle = known.map((series) => series.toSorted((a, b) => a - b)[Math.floor(series.length / 2)] ?? 0);
      const late = Math.max(LITTLE_MS, ...middle, ...known.flatMap((series) => series.slice(-NOW_STEPS)));
      return { most, shown: most > FAR * late ? values.findLast((value) => value <= FAR * late) ?? late : most };
    }
    return { most, shown: usual > 0 && most > 4 * usual ? usual * 1.5 : most };
  }

  top() {
    const { shown } = this.shownMost();
    return 2 * Math.max(1, niceStep(shown || 1, this.wideTicks ? UNITS_MS.find((unit) => shown >= 2 * unit) ?? 1 : 1));
  }

  tick(value) {
    if (!value) return "0";
    if (this.wideTicks) return this.shown(value).replace(".0", "");
    return value >= 1e6 ? `${value / 1e6}M` : value >= 10_000 ? `${value / 1000}k` : value.toLocaleString("en-US");
  }

  decorate(u, axis) {
    const { ctx } = u, ratio = devicePixelRatio * step(), { left, top, width, height } = u.bbox;
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
    this.tellCut(u);
    ctx.restore();
  }

  // What does not fit stands in words, on the left, where such values are the older ones.
  tellCut(u) {
    const { most } = this.shownMost(), { ctx } = u, ratio = devicePixelRatio * step(), { left, top } = u.bbox;
    if (!this.wideTicks || most <= this.top()) return;
    ctx.textAlign = "left";
    ctx.fillStyle = colour("--ink-2");
    ctx.fillText(`cut off: up to ${this.shown(most)}`, left + 6 * ratio, top + 9 * ratio);
  }

  // Latest first: an earlier mark whose words would run into a later one's keeps only its line.
  flag(u, mark, taken) {
    const { ctx } = u, ratio = devicePixelRatio * step(), { left, top, width, height } = u.bbox, x = u.valToPos(mark.at, "x", true);
    if (x < left || x > left + width) return taken;
    const wide = ctx.measureText(mark.what).width, flip = x + wide + 8 * ratio > Math.min(taken, left + width + this.padRight * ratio * 0.2);
    const from = flip ? x - wide - 6 * ratio : x + 6 * ratio, fits = from > left && from + wide < taken;
    ctx.strokeStyle = colour("--ink-3");
    ctx.fillStyle = colour("--ink-2");
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    const over = (this.few ? 4 : 12) * ratio;
    ctx.moveTo(x, top - over);
    ctx.lineTo(x, top + height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.beginPath();
    ctx.arc(x, top - over, 2.5 * ratio, 0, 7);
    ctx.fill();
    ctx.textAlign = "left";
    if (fits) ctx.fillText(mark.what, from, top - 8 * ratio);
    return fits ? Math.min(from, x) - 8 * ratio : taken;
  }

  ring(u, place, at) {
    const { ctx } = u, value = this.data[place + 1][at];
    if (value == null) return;
    ctx.strokeStyle = colour("--watch");
    ctx.lineWidth = 2.5 * devicePixelRatio * step();
    ctx.beginPath();
    ctx.arc(u.valToPos(this.data[0][at], "x", true), u.valToPos(value, "y", true), 5.5 * devicePixelRatio * step(), 0, 7);
    ctx.stroke();
  }

  labels(u) {
    const { ctx } = u, ratio = devicePixelRatio * step(), right = u.bbox.left + u.bbox.width;
    const ends = this.series.map((told, place) => {
      const values = this.data[place + 1], value = values.findLast((known) => known != null);
      return value == null ? null : { told, value, y: u.valToPos(value, "y", true) };
    });
    const known = ends.filter(Boolean).sort((a, b) => a.y - b.y);
    known.forEach((end, i) => i && (end.y = Math.max(end.y, known[i - 1].y + 13 * ratio)));
    const over = (known.at(-1)?.y ?? 0) - (u.bbox.top + u.bbox.height);
    if (over > 0) known.toReversed().forEach((end, i, list) => (end.y = Math.min(end.y, (i ? list[i - 1].y - 13 * ratio : u.bbox.top + u.bbox.height))));
    const lowest = ctx.canvas.height - 6 * ratio;
    for (const { told, value, y: due } of known) {
      const y = Math.min(due, lowest);
      ctx.fillStyle = colour(told.ink);
      ctx.fillRect(right + 4 * ratio, y - 1.5 * ratio, 8 * ratio, 3 * ratio);
      ctx.textAlign = "left";
      ctx.fillStyle = colour("--ink-2");
      const name = told.name && !told.mute ? `${told.name} ` : "";
      ctx.fillText(name, right + 16 * ratio, y + 4 * ratio);
      const x = right + 16 * ratio + ctx.measureText(name).width;
      ctx.fillStyle = colour("--ink");
      ctx.font = `600 ${11 * ratio}px ${ink("--sans")}`;
      const bold = this.shown(value);
      ctx.fillText(bold, x, y + 4 * ratio);
      const after = x + ctx.measureText(bold).width;
      ctx.font = `${11 * ratio}px ${ink("--sans")}`;
      if (told.of == null) continue;
      ctx.fillStyle = colour("--ink-2");
      ctx.fillText(` of ${this.shown(told.of)}`, after, y + 4 * ratio);
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
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || !this.plot) return;
    event.preventDefault();
    const last = this.data[0].length - 1, at = Math.min(last, Math.max(0, (this.plot.cursor.idx ?? last) + by));
    this.plot.setCursor({ left: this.plot.valToPos(this.data[0][at], "x"), top: 10 * step() });
  }

  // The same numbers as a table, thinned to half minutes.
  rows(every = 6) {
    return (this.data?.[0] ?? []).flatMap((at, i) => (i % every ? [] : [[clockSeconds(at * 1000), ...this.series.map((_, k) => this.shown(this.data[k + 1][i]))]]));
  }
}
