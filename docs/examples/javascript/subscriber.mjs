// Prints the people of pymafx-live and draws their heads and pelvises.
//
// npm install
// node subscriber.mjs tcp://127.0.0.1:5555 last.ppm

import { writeFileSync } from "node:fs";
import { decode } from "@msgpack/msgpack";
import { Subscriber } from "zeromq";

const SHOULDER = 16, ELBOW = 18, WRIST = 20, HEAD = 15; // left ones; docs/skeleton.md has them all

const minus = (a, b) => a.map((value, i) => value - b[i]);
const product = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Degrees between two vectors. */
function angle(a, b) {
  const cosine = product(a, b) / Math.sqrt(product(a, a) * product(b, b));
  return (Math.acos(Math.max(-1, Math.min(1, cosine))) * 180) / Math.PI;
}

/** One person as text. What is not there prints as a dash. */
function described({ id, state, pelvis, joints, parts }) {
  // Without measured_at the zeros mean nothing.
  const place = "measured_at" in parts.transl ? pelvis.map((value) => value.toFixed(3)).join(" ") : "-";
  const elbow = joints
    ? angle(minus(joints[ELBOW], joints[SHOULDER]), minus(joints[WRIST], joints[ELBOW])).toFixed(1)
    : "-";
  const measured = Object.keys(parts).filter((name) => parts[name].origin === "measured").sort();
  return `${id} ${state} at ${place} elbow ${elbow} measured ${measured.join(",") || "-"}`;
}

/** A disc of nine pixels where a point of the camera's frame is seen; lens distortion is left out. */
function dot(picture, { width, height, fx, fy, cx, cy }, [x, y, z], colour) {
  if (z <= 0) return;
  const column = Math.floor((fx * x) / z + cx + 0.5), row = Math.floor((fy * y) / z + cy + 0.5);
  for (let v = Math.max(row - 4, 0); v < Math.min(row + 5, height); v++)
    for (let u = Math.max(column - 4, 0); u < Math.min(column + 5, width); u++)
      if ((u - column) ** 2 + (v - row) ** 2 <= 16) picture.set(colour, 3 * (v * width + u));
}

/** A black picture (PPM) with white heads and green pelvises. */
function drawn({ camera, people }) {
  const picture = new Uint8Array(3 * camera.width * camera.height);
  for (const { joints, pelvis } of people) {
    if (!joints) continue;
    dot(picture, camera, joints[HEAD], [255, 255, 255]);
    dot(picture, camera, pelvis, [0, 255, 0]);
  }
  return Buffer.concat([Buffer.from(`P6 ${camera.width} ${camera.height} 255\n`), picture]);
}

const [address, file] = process.argv.slice(2);
// To act on the newest only, construct it with { conflate: true } and subscribe to one source.
const socket = new Subscriber();
socket.connect(address);
socket.subscribe("smplx/", "status/");
for await (const [message] of socket) {
  const end = message.indexOf(0);
  const content = decode(message.subarray(end + 1));
  const { version, source, sequence, captured_at, people, state, reason } = content;
  if (version !== 1) throw new Error(`version ${version} is not known here`);
  if (message.toString("utf8", 0, end).startsWith("status/")) {
    console.log(`${source} is ${state} ${reason}`.trim());
    if (state === "ended" || state === "failed") break;
    continue;
  }
  const age = Date.now() / 1000 - captured_at;
  console.log(`${source} #${sequence} age ${age.toFixed(3)} s: ${people.map(described).join("; ") || "nobody"}`);
  if (people.length) writeFileSync(file, drawn(content));
}
socket.close();
