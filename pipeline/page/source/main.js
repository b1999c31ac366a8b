import { loadBody } from "./body.js";
import { Connection } from "./connection.js";
import { Graph } from "./graph.js";
import { readResult } from "./message.js";
import { People } from "./people.js";
import { Player } from "./player.js";
import { Recorder } from "./recorder.js";
import { Room } from "./scene.js";

const EVERY = 200; // milliseconds between two looks of the lists and graphs at what has come
const CONNECTION = {
  connecting: "Connecting…", live: "Connected", lost: "Connection lost: the run is over or out of reach. Trying again…",
};
const SEEN = {
  given: "as given", estimated: "estimated from people", level: "assumed level", assumed: "assumed",
};

const find = (id) => document.getElementById(id);
const sources = new Map(); // name: { state, reason, result, arrivals, button }
let chosen = "";
let room = null;
let wanted = true;
let shown = null;

const people = new People(find("people"), (id) => room?.lock(id));
const latency = new Graph(find("latency-graph"), "ms", 50);
const rate = new Graph(find("rate-graph"), "fps", 10);
const player = new Player(find("player"), (wish) => connection.ask(wish));
const recorder = new Recorder(find("recorder"), (wish) => connection.ask(wish));
const connection = new Connection(heard, (state) => {
  const line = find("connection");
  if (line.dataset.state === state) return;
  line.dataset.state = state;
  line.textContent = CONNECTION[state];
  document.body.toggleAttribute("data-lost", state === "lost");
  if (state === "lost") find("player").hidden = find("recorder").hidden = true; // the next one may have neither
});

function sourceOf(name) {
  if (!sources.has(name)) {
    const element = document.createElement("li");
    element.innerHTML = '<button type="button" aria-pressed="false"><b></b> <span class="state"></span><small></small></button>';
    const button = element.firstChild;
    button.querySelector("b").textContent = name;
    button.addEventListener("click", () => choose(name));
    find("sources").append(element);
    sources.set(name, { state: "", reason: "", result: null, arrivals: [], button });
    if (!chosen) choose(name);
  }
  return sources.get(name);
}

function choose(name) {
  chosen = name;
  for (const [other, { button }] of sources) button.setAttribute("aria-pressed", String(other === name));
  latency.clear();
  rate.clear();
  picture();
  if (sources.get(name).result) show(sources.get(name));
}

function heard(kind, name, content) {
  if (kind === "playback") return player.hear(content);
  if (kind === "recorder") return recorder.hear(content);
  const source = sourceOf(name);
  if (kind === "status") {
    source.state = content.state;
    source.reason = content.reason;
  } else if (kind === "picture") {
    if (name === chosen && wanted) paint(content);
  } else if (kind === "people") {
    source.result = readResult(content);
    source.arrivals.push(performance.now());
    if (name === chosen) show(source);
  }
}

// Somebody whose place is not known is in the list only.
function show({ result }) {
  const placed = result.people.filter((person) => person.parts.transl?.origin !== "default" && person.pelvis[2] > 0);
  room?.show(result, placed);
  find("nobody").hidden = placed.length > 0;
}

function paint(bytes) {
  const image = find("picture");
  const before = shown;
  shown = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
  image.src = shown;
  if (before) URL.revokeObjectURL(before);
  image.hidden = false;
  find("no-picture").hidden = true;
}

function picture() {
  connection.look(wanted && !document.hidden ? chosen : "");
  find("picture-toggle").setAttribute("aria-pressed", String(wanted));
  find("picture").hidden = true;
  find("no-picture").hidden = false;
  find("no-picture").textContent = wanted ? "No picture has arrived." : "The picture is off.";
}

function figures(now) {
  const lost = document.body.hasAttribute("data-lost");
  for (const source of sources.values()) {
    source.arrivals = source.arrivals.filter((time) => time > now - 1000);
    const state = source.button.querySelector(".state");
    state.textContent = lost ? "not known" : source.state;
    state.dataset.state = lost ? "" : source.state;
    const dropped = source.result?.dropped ? `, ${source.result.dropped} frames skipped` : "";
    const text = source.result ? `${source.arrivals.length} ${source.arrivals.length === 1 ? "result" : "results"} a second${dropped}` : "no result yet";
    source.button.querySelector("small").textContent = [text, source.reason].filter(Boolean).join("; ");
  }
  const source = sources.get(chosen);
  if (!source?.result) return;
  const { result, arrivals } = source;
  people.show(result.people);
  if (arrivals.length) {
    const age = 1000 * result.age;
    latency.add(now / 1000, age);
    rate.add(now / 1000, arrivals.length);
    find("latency").textContent = `${age.toFixed(0)} ms`;
  } else find("latency").textContent = "–";
  find("rate").textContent = `${arrivals.length} fps`;
  find("world").textContent =
    `Up is ${SEEN[result.up] ?? result.up}; the floor is ${SEEN[result.floor] ?? result.floor}. ` +
    `Focal length ${result.assumed ? "assumed" : "calibrated"}.`;
}

setInterval(() => {
  if (document.hidden) return;
  const now = performance.now();
  figures(now);
  if (!document.body.hasAttribute("data-lost")) player.draw();
  latency.draw(now / 1000);
  rate.draw(now / 1000);
}, EVERY);

find("picture-toggle").addEventListener("click", () => {
  wanted = !wanted;
  picture();
});
document.addEventListener("visibilitychange", () => connection.look(wanted && !document.hidden ? chosen : ""));
find("reset").addEventListener("click", () => room?.reset());
find("through").addEventListener("click", () => room?.through());

try {
  room = new Room(find("view"), await loadBody());
  window.room = room; // for the console, and for tests
  if (sources.get(chosen)?.result) show(sources.get(chosen));
} catch (error) {
  find("nobody").textContent = `No 3D here: ${error.message}`;
}
