// Recording on and off, how it goes, and what there is to download.
import { duration } from "./player.js";

const OTHERS = ["npz", "bvh", "glb"]; // what the server makes of a journal

export class Recorder {
  // `ask` sends { record: true } or { record: false }.
  constructor(root, ask) {
    this.root = root;
    const find = (selector) => root.querySelector(selector);
    this.button = find("button");
    this.text = find("#recorder-state");
    this.fault = find("#recorder-fault");
    this.list = find("ul");
    this.known = "";
    this.on = false;
    this.button.addEventListener("click", () => ask({ record: !this.on }));
  }

  hear({ on, seconds, bytes, fault, folder, files }) {
    this.root.hidden = false;
    this.on = on;
    this.root.toggleAttribute("data-on", on);
    this.button.textContent = on ? "Stop recording" : "Record";
    const none = files.length ? "" : `Not recording. Files go to the folder “${folder}” where the run is.`;
    this.text.textContent = on ? `Recording: ${duration(seconds)}, ${size(bytes)}` : none;
    if (this.fault.textContent !== fault) this.fault.textContent = fault;
    const names = files.map(([name]) => name).join("\n");
    if (names === this.known) return;
    this.known = names;
    this.list.replaceChildren(...[...files].reverse().map(item));
  }
}

function item([name, seconds, bytes]) {
  const element = document.createElement("li");
  const about = document.createElement("span");
  about.textContent = `${name.replace("T", " ")}: ${duration(seconds)} `;
  element.append(about, link(name, "mcap", `.mcap, ${size(bytes)}`), ...OTHERS.map((kind) => link(name, kind, `.${kind}`)));
  return element;
}

function link(name, kind, text) {
  const element = document.createElement("a");
  element.href = `/recordings/${encodeURIComponent(name)}.${kind}`;
  element.download = "";
  element.textContent = text;
  element.setAttribute("aria-label", `Download the recording of ${name} as ${text}`);
  return element;
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power && value < 100 ? value.toFixed(1) : Math.round(value)} ${units[power]}`;
}
