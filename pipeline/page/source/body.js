// The embedded body: forward kinematics and the flesh's maps, as engines/body/skinning.py has them.
import { decode } from "@msgpack/msgpack";

function array(bytes, Type) {
  return new Type(bytes.slice().buffer); // a copy begins where such numbers may begin
}

export async function loadBody() {
  const answer = await fetch("/body.bin");
  if (!answer.ok) throw new Error(`the body cannot be loaded (${answer.status})`);
  const content = decode(new Uint8Array(await answer.arrayBuffer()));
  return {
    vertices: array(content.vertices, Float32Array), faces: array(content.faces, Uint16Array),
    skinJoints: array(content.skinJoints, Uint8Array), skinWeights: array(content.skinWeights, Uint16Array),
    rest: array(content.rest, Float32Array), parents: array(content.parents, Int8Array),
    stretched: content.stretched, starts: content.starts, stops: content.stops,
  };
}

// The rotation (row-major, 9) of a quaternion of any length.
function rotation(x, y, z, w, out) {
  const s = 2 / (x * x + y * y + z * z + w * w || 1);
  out[0] = 1 - s * (y * y + z * z); out[1] = s * (x * y - z * w); out[2] = s * (x * z + y * w);
  out[3] = s * (x * y + z * w); out[4] = 1 - s * (x * x + z * z); out[5] = s * (y * z - x * w);
  out[6] = s * (x * z - y * w); out[7] = s * (y * z + x * w); out[8] = 1 - s * (x * x + y * y);
}

function multiply(a, b, out) {
  for (let r = 0; r < 9; r += 3) {
    for (let c = 0; c < 3; c++) out[r + c] = a[r] * b[c] + a[r + 1] * b[3 + c] + a[r + 2] * b[6 + c];
  }
}

// With a quaternion for each joint (x, y, z, w in a row): its affine map (3 x 4, row-major) from rest to the posed flesh, in the frame of `pelvis`.
export function fleshMaps(body, turns, pelvis, bones) {
  const { rest, parents } = body;
  const count = parents.length;
  const turned = Array.from({ length: count }, () => new Float64Array(9));
  const places = new Float64Array(3 * count);
  const local = new Float64Array(9);
  for (let j = 0; j < count; j++) {
    rotation(turns[4 * j], turns[4 * j + 1], turns[4 * j + 2], turns[4 * j + 3], local);
    const p = parents[j];
    if (p < 0) {
      turned[j].set(local);
      places.set(pelvis, 0);
      continue;
    }
    multiply(turned[p], local, turned[j]);
    const step = [0, 1, 2].map((k) => bones[j] * (rest[3 * j + k] - rest[3 * p + k]));
    for (let r = 0; r < 3; r++) {
      const row = turned[p].subarray(3 * r, 3 * r + 3);
      places[3 * j + r] = places[3 * p + r] + row[0] * step[0] + row[1] * step[1] + row[2] * step[2];
    }
  }
  const linear = turned.map((matrix) => matrix.map((value) => bones[0] * value));
  body.stretched.forEach((j, n) => {
    const [a, b] = [body.starts[n], body.stops[n]];
    const bone = [0, 1, 2].map((k) => rest[3 * b + k] - rest[3 * a + k]);
    const share = (bones[b] - bones[0]) / Math.max(bone[0] ** 2 + bone[1] ** 2 + bone[2] ** 2, 1e-12);
    for (let r = 0; r < 3; r++) {
      const row = turned[j].subarray(3 * r, 3 * r + 3);
      const along = share * (row[0] * bone[0] + row[1] * bone[1] + row[2] * bone[2]);
      for (let c = 0; c < 3; c++) linear[j][3 * r + c] += along * bone[c];
    }
  });
  return linear.map((m, j) => {
    const at = [0, 1, 2].map((r) =>
      places[3 * j + r] - m[3 * r] * rest[3 * j] - m[3 * r + 1] * rest[3 * j + 1] - m[3 * r + 2] * rest[3 * j + 2]);
    return [m[0], m[1], m[2], at[0], m[3], m[4], m[5], at[1], m[6], m[7], m[8], at[2]];
  });
}
