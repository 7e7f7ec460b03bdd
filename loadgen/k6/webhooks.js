// Load for a webhook receiver with k6: ramp to a rate, providers mixed, signatures real, batches as providers send them.
//
//   go install go.k6.io/k6@latest
//   eval "$(python -m loadgen.webhooks --secrets | sed 's/^/export /')"; python -m api.webhooks &
//   k6 run -e RATE=2000 loadgen/k6/webhooks.js
//
// RATE: requests a second at the top. SECONDS: of each of four steps. URL: of the receiver. Its twin without k6, which
// also signs as SendGrid does: python -m loadgen.webhooks.

import crypto from "k6/crypto";
import encoding from "k6/encoding";
import exec from "k6/execution";
import http from "k6/http";
import { check } from "k6";

const URL = __ENV.URL || "http://127.0.0.1:8000";
const RATE = Number(__ENV.RATE || 2000);
const SECONDS = Number(__ENV.SECONDS || 10);
const SECRETS = {
  meta_whatsapp: __ENV.TIDEMARK_WEBHOOK_META_WHATSAPP_SECRET || "load-app-secret",
  twilio: __ENV.TIDEMARK_WEBHOOK_TWILIO_SECRET || "load-auth-token",
  vonage: __ENV.TIDEMARK_WEBHOOK_VONAGE_SECRET || "load-signature-secret-of-32-bytes",
  infobip: __ENV.TIDEMARK_WEBHOOK_INFOBIP_SECRET || "load:password",
};
const STATUSES = ["sent", "delivered", "delivered", "read"];

export const options = {
  scenarios: {
    webhooks: {
      executor: "ramping-arrival-rate",
      startRate: RATE / 4,
      timeUnit: "1s",
      preAllocatedVUs: Math.min(64 + RATE / 10, 1000),
      maxVUs: 2000,
      stages: [0.25, 0.5, 0.75, 1].map((share) => ({ target: Math.ceil(RATE * share), duration: `${SECONDS}s` })),
    },
  },
  summaryTrendStats: ["med", "p(95)", "p(99)", "max"],
  thresholds: { checks: ["rate==1"] },
  discardResponseBodies: true,
};

const json = { "Content-Type": "application/json" };

function number() {
  return exec.scenario.iterationInTest;
}

function status() {
  return STATUSES[Math.floor(Math.random() * STATUSES.length)];
}

function echo() {
  return `load~${number()}~1~${Date.now()}`;
}

function meta(count) {
  const statuses = [];
  for (let place = 0; place < count; place++) {
    statuses.push({
      id: `wamid.${number()}-${place}`,
      status: status(),
      timestamp: String(Math.floor(Date.now() / 1000)),
      recipient_id: "16505551234",
      biz_opaque_callback_data: echo(),
      pricing: { billable: true, pricing_model: "PMP", type: "regular", category: "marketing" },
    });
  }
  const body = JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{ id: "1", changes: [{ value: { messaging_product: "whatsapp", statuses }, field: "messages" }] }],
  });
  const signature = crypto.hmac("sha256", SECRETS.meta_whatsapp, body, "hex");
  return post("meta_whatsapp", "", body, { ...json, "X-Hub-Signature-256": `sha256=${signature}` });
}

function twilio() {
  const sid = `SM${number()}`;
  const fields = { AccountSid: "AC1", MessageSid: sid, MessageStatus: status(), SmsSid: sid, To: "+15558675310" };
  const names = Object.keys(fields).sort();
  const query = `?tidemark=${encodeURIComponent(echo())}`;
  const said = `${URL}/webhooks/twilio${query}` + names.map((name) => name + fields[name]).join("");
  const body = names.map((name) => `${name}=${encodeURIComponent(fields[name])}`).join("&");
  const signature = crypto.hmac("sha1", SECRETS.twilio, said, "base64");
  const headers = { "Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": signature };
  return post("twilio", query, body, headers);
}

function vonage() {
  const body = JSON.stringify({
    message_uuid: `u${number()}`,
    to: "447700900000",
    timestamp: new Date().toISOString(),
    status: status(),
    channel: "sms",
    client_ref: echo(),
  });
  const claims = { iss: "Vonage", payload_hash: crypto.sha256(body, "hex") };
  const head = [{ alg: "HS256", typ: "JWT" }, claims].map((part) => unpadded(JSON.stringify(part))).join(".");
  const signature = crypto.hmac("sha256", SECRETS.vonage, head, "base64rawurl");
  return post("vonage", "", body, { ...json, Authorization: `Bearer ${head}.${signature}` });
}

function unpadded(text) {
  return encoding.b64encode(text, "rawurl");
}

function infobip() {
  const results = [];
  for (let place = 0; place < 20; place++) {
    const status = { groupId: 3, groupName: "DELIVERED", id: 5, name: "DELIVERED_TO_HANDSET" };
    results.push({ messageId: `m${number()}-${place}`, to: "41793026727", status, callbackData: echo() });
  }
  const headers = { ...json, Authorization: `Basic ${encoding.b64encode(SECRETS.infobip)}` };
  return post("infobip", "", JSON.stringify({ results }), headers);
}

function post(provider, query, body, headers) {
  return http.post(`${URL}/webhooks/${provider}${query}`, body, { headers, tags: { name: provider } });
}

export default function () {
  const chance = Math.random() * 100;
  let answer;
  if (chance < 45) answer = meta(1);
  else if (chance < 55) answer = meta(20);
  else if (chance < 80) answer = twilio();
  else if (chance < 90) answer = vonage();
  else answer = infobip();
  check(answer, { "answered 200": (heard) => heard.status === 200 });
}

export function handleSummary(data) {
  const time = data.metrics.http_req_duration.values;
  const requests = data.metrics.http_reqs.values;
  const failed = data.metrics.checks.values.fails;
  const dropped = data.metrics.dropped_iterations ? data.metrics.dropped_iterations.values.count : 0;
  const cells = [requests.rate.toFixed(0), time.med, time["p(95)"], time["p(99)"], failed, dropped].map((cell) =>
    (typeof cell === "number" && !Number.isInteger(cell) ? cell.toFixed(1) : String(cell)).padStart(12),
  );
  const titles = ["requests/s", "p50 ms", "p95 ms", "p99 ms", "errors", "not sent"].map((title) => title.padStart(12));
  return { stdout: `${titles.join("")}\n${cells.join("")}\n` };
}
