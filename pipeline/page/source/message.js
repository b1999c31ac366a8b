// What the page is sent of a result: see pipeline/page/message.py.
const JOINTS = 55;
const NO_PART = 255;

export function readResult(content) {
  const [width, height, fx, fy, cx, cy] = content.camera;
  return {
    ...content,
    camera: { width, height, fx, fy, cx, cy },
    people: content.people.map((person) => readPerson(person, content)),
  };
}

function readPerson([id, state, sizeAssumed, bytes], { parts, origins }) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const numbers = (count, size, take) => Array.from({ length: count }, () => take((at += size) - size));
  const pelvis = numbers(3, 4, (place) => view.getFloat32(place, true));
  const turns = numbers(4 * JOINTS, 2, (place) => view.getInt16(place, true)); // the page makes them of unit length
  const bones = numbers(JOINTS, 2, (place) => view.getUint16(place, true) / 16384);
  const trust = {};
  for (const name of parts) {
    const [confidence, origin] = numbers(2, 1, (place) => view.getUint8(place));
    if (origin !== NO_PART) trust[name] = { confidence: confidence / 255, origin: origins[origin] };
  }
  return { id, state, sizeAssumed, pelvis, turns, bones, parts: trust };
}
