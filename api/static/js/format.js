// Numbers, durations and times as the design guide wants them.
const MINUS = "\u2212";
export const NOT_YET = "–";

export const count = (n) => (n == null ? NOT_YET : Math.round(n).toLocaleString("en-US").replace("-", MINUS));

// 100% and 0% only if exact.
export function percent(share, digits = 1) {
  if (share == null) return NOT_YET;
  const least = 10 ** -digits, value = share * 100;
  if (share > 0 && value < least) return `< ${least}%`;
  if (share < 1 && value > 100 - least) return `> ${(100 - least).toFixed(digits)}%`;
  return share === 1 || share === 0 ? `${value}%` : `${value.toFixed(digits)}%`;
}

export function points(difference) {
  if (difference == null) return "";
  const rounded = Math.abs(difference * 100).toFixed(1);
  const sign = Number(rounded) === 0 ? "±" : difference > 0 ? "+" : MINUS;
  return `${sign}${rounded} pt`;
}

// Two figures: 180 ms, 1.9 s, 28 s, 2 h 10 min.
export function duration(ms) {
  if (ms == null) return NOT_YET;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const s = ms / 1000;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 100) return `${Math.round(s)} s`;
  const min = Math.round(s / 60);
  if (min < 60) return `${min} min`;
  if (min < 2880) return `${Math.floor(min / 60)} h ${min % 60} min`;
  return `${Math.round(min / 1440)} days`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const CLOCK_S = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const ZONE = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" });

const date = (at) => (at instanceof Date ? at : new Date(at));
export const clock = (at) => (at == null ? NOT_YET : CLOCK.format(date(at)));
export const clockSeconds = (at) => (at == null ? NOT_YET : CLOCK_S.format(date(at)));
export const zone = () => ZONE.formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;

export function when(at) {
  if (at == null) return NOT_YET;
  const then = date(at), today = new Date();
  if (then.toDateString() === today.toDateString()) return clock(then);
  const year = then.getFullYear() === today.getFullYear() ? "" : ` ${then.getFullYear()}`;
  return `${DAY.format(then)}${year}, ${clock(then)}`;
}

// The API's sentences name times as {done_at}.
export const withTimes = (sentence, verdict) => sentence.replace("{done_at}", clock(verdict.done_at));

export const money = (amount, digits = 0) =>
  amount == null ? NOT_YET : amount.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

const CHANNELS = { whatsapp: "WhatsApp", sms: "SMS", email: "e-mail", push: "push", rcs: "RCS", voice: "voice" };
export const channel = (name) => CHANNELS[name] ?? name;
