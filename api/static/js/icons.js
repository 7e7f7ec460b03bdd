// 24-unit outlines. Each state has a silhouette of its own, so colour is never alone.
import { all, svg } from "./dom.js";

const OUTLINES = {
  brand: ["M2 9c3.3 0 3.3-3 6.7-3s3.3 3 6.6 3S18.7 6 22 6", "M2 14h20", "M2 19c3.3 0 3.3-2 6.7-2s3.3 2 6.6 2 3.4-2 6.7-2"],
  ok: ["M12 2.5a9.5 9.5 0 1 0 0 19a9.5 9.5 0 1 0 0-19z", "m7.8 12.4 2.9 2.9 5.5-6.1"],
  watch: ["M12 3 2.3 20.2h19.4z", "M12 9.5v5M12 17.4v.1"],
  act: ["M8 2.5h8l5.5 5.5v8L16 21.5H8L2.5 16V8z", "M12 7v6M12 16.6v.1"],
  paused: ["M12 2.5a9.5 9.5 0 1 0 0 19a9.5 9.5 0 1 0 0-19z", "M9.5 8.5v7M14.5 8.5v7"],
  done: ["M5 21.5V3.5h13.5l-3 4.5 3 4.5H5"],
  idle: ["M12 2.5a9.5 9.5 0 1 0 0 19a9.5 9.5 0 1 0 0-19z"],
  clock: ["M12 2.5a9.5 9.5 0 1 0 0 19a9.5 9.5 0 1 0 0-19z", "M12 6.5V12l3.5 2"],
  unplug: ["M3 21l4-4M21 3l-4 4M7.5 10.5l6 6-1.5 1.5a4.2 4.2 0 0 1-6-6zM16.5 13.5l-6-6L12 6a4.2 4.2 0 0 1 6 6z"],
  slow: ["M3 6l7 7 4-4 7 8M21 11.5V17h-5.5"],
  moon: ["M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z"],
  seal: ["M12 1.8l2.7 2 3.3-.1 1 3.2 2.7 2-1.1 3.1 1.1 3.1-2.7 2-1 3.2-3.3-.1-2.7 2-2.7-2-3.3.1-1-3.2-2.7-2 1.1-3.1L2.3 8.9l2.7-2 1-3.2 3.3.1z", "m8.5 12 2.5 2.5 4.5-5"],
  pause: ["M8 5v14M16 5v14"],
  resume: ["M8 5l11 7-11 7z"],
  theme: ["M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18z", "M12 3a9 9 0 0 1 0 18z"],
  share: ["M12 15V3.5M7.5 7.5 12 3l4.5 4.5M5 12v8.5h14V12"],
  down: ["M12 3.5V15M7.5 11 12 15.5 16.5 11M4 20.5h16"],
  table: ["M3.5 5h17v14h-17z", "M3.5 10h17M3.5 14.5h17M10 5v14"],
};
const SOLID = new Set(["ok", "watch", "act", "paused", "clock", "done"]);
const DASHED = { idle: [0, "3.2 2.77"], brand: [1, "1.5 3"] };

export function draw(node, name, solid = false) {
  if (node.dataset.drawn === name) return node;
  node.dataset.drawn = name;
  node.setAttribute("viewBox", "0 0 24 24");
  node.setAttribute("aria-hidden", "true");
  node.classList.add("icon");
  node.classList.toggle("solid", solid && SOLID.has(name));
  node.replaceChildren(...OUTLINES[name].map((d, place) => {
    const dashes = DASHED[name]?.[0] === place ? DASHED[name][1] : null;
    return svg("path", { d, "stroke-dasharray": dashes, class: name === "theme" && place ? "filled" : null });
  }));
  return node;
}

export const icon = (name, attributes = {}) => draw(svg("svg", attributes), name);

export const drawAll = () => all("svg[data-icon]").forEach((node) => draw(node, node.dataset.icon));
