// Applies VMC messages to an avatar of three-vrm, as an app in Unity does to one of UniVRM.
import { Quaternion, Vector3 } from "three";

// Unity's names to VRM 1.0's, which three-vrm uses for both.
function boneName(name) {
  const lower = name[0].toLowerCase() + name.slice(1);
  return lower.replace("ThumbProximal", "ThumbMetacarpal").replace("ThumbIntermediate", "ThumbProximal");
}

// As UniVRM brings a file into Unity: VRM 0.x with z reversed, VRM 1.0 with x; here is the way back.
function place(version, [x, y, z]) {
  return version === "0" ? new Vector3(x, y, -z) : new Vector3(-x, y, z);
}

function turn(version, [x, y, z, w]) {
  return version === "0" ? new Quaternion(-x, -y, z, w) : new Quaternion(x, -y, -z, w);
}

export function apply(vrm, address, values) {
  const version = vrm.meta.metaVersion;
  if (address === "/VMC/Ext/Bone/Pos") {
    const node = vrm.humanoid.getRawBoneNode(boneName(values[0]));
    if (node) {
      node.position.copy(place(version, values.slice(1, 4)));
      node.quaternion.copy(turn(version, values.slice(4)));
    }
  } else if (address === "/VMC/Ext/Blend/Val") {
    const name = values[0];
    const known = Object.keys(vrm.expressionManager.expressionMap);
    const old = { joy: "happy", sorrow: "sad", fun: "relaxed", a: "aa", i: "ih", u: "ou", e: "ee", o: "oh",
      blink_l: "blinkleft", blink_r: "blinkright" };
    const wanted = old[name.toLowerCase()] ?? name.toLowerCase();
    const own = known.find((one) => one.toLowerCase() === wanted);
    if (own) vrm.expressionManager.setValue(own, values[1]);
  }
}
