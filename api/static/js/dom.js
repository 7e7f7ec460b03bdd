// The few things that every page does with its elements. Text goes in as text, never as markup.
export const one = (css, from = document) => from.querySelector(css);
export const all = (css, from = document) => [...from.querySelectorAll(css)];

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (name.startsWith("--")) node.style.setProperty(name, value);
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

export const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Only what changed is written, so that a page which is updated each second stays still under the reader's cursor.
export function say(css, text, from = document) {
  const node = typeof css === "string" ? one(css, from) : css;
  if (node && node.textContent !== String(text)) node.textContent = text;
  return node;
}

// Nodes stay and take on what is new, so that a focus or a click that is under way survives; listeners stand further up.
export function put(node, ...children) {
  const next = html("div", {}, ...children);
  if (node.innerHTML !== next.innerHTML) become(node, next);
}

function become(node, next) {
  const old = [...node.childNodes];
  [...next.childNodes].forEach((child, i) => {
    if (!old[i]) node.append(child);
    else if (old[i].nodeName !== child.nodeName) old[i].replaceWith(child);
    else if (child.nodeType !== Node.ELEMENT_NODE) old[i].data !== child.data && (old[i].data = child.data);
    else become(dress(old[i], child), child);
  });
  old.slice(next.childNodes.length).forEach((child) => child.remove());
}

function dress(node, next) {
  for (const { name } of [...node.attributes]) if (!next.hasAttribute(name)) node.removeAttribute(name);
  for (const { name, value } of next.attributes) {
    if (name === "style") node.style.cssText = next.style.cssText; // the policy forbids the attribute
    else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  }
  return node;
}

// As put, for content with listeners: the old stays while `key` does.
export function putOnce(node, key, children) {
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.replaceChildren(...children());
}

export const width = (node, share) => node.style.setProperty("--w", `${Math.max(0, Math.min(100, share * 100)).toFixed(2)}%`);
