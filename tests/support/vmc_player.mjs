// An avatar's app: plays VMC messages on a .vrm file with three-vrm, and prints where its bones stand after each frame.
//   node vmc_player.mjs avatar.vrm        prints its port, then a line of JSON per frame
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { VRMLoaderPlugin, VRMUtils } from "@pixiv/three-vrm";
import { fromBuffer } from "osc-min";
import { Quaternion, Vector3 } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import { apply } from "./vmc_apply.mjs";

globalThis.self ??= globalThis;

async function load(file) {
  const loader = new GLTFLoader();
  loader.register((parser) => new VRMLoaderPlugin(parser, { autoUpdateHumanBones: false }));
  const data = readFileSync(file);
  const gltf = await loader.parseAsync(data.buffer.slice(data.byteOffset, data.byteOffset + data.length), "");
  const vrm = gltf.userData.vrm;
  VRMUtils.rotateVRM0(vrm);
  vrm.lookAt = undefined; // the eyes' bones are sent
  return vrm;
}

function state(vrm) {
  vrm.update(0);
  vrm.scene.updateMatrixWorld(true);
  const bones = {};
  for (const [name, { node }] of Object.entries(vrm.humanoid.rawHumanBones)) {
    bones[name] = [node.getWorldPosition(new Vector3()).toArray(), node.getWorldQuaternion(new Quaternion()).toArray()];
  }
  const expressions = {};
  for (const [name, one] of Object.entries(vrm.expressionManager.expressionMap)) expressions[name] = one.weight;
  return { bones, expressions };
}

function flat(packet) {
  return packet.oscType === "bundle" ? packet.elements.flatMap(flat) : [packet];
}

const vrm = await load(process.argv[2]);
const socket = createSocket("udp4");
socket.on("message", (data) => {
  for (const { address, args } of flat(fromBuffer(data))) {
    apply(vrm, address, args.map((argument) => argument.value));
    if (address === "/VMC/Ext/OK" && args[0].value === 0) console.log("null"); // nothing is sent any more
    if (address === "/VMC/Ext/Blend/Apply") console.log(JSON.stringify(state(vrm)));
  }
});
socket.bind(0, "127.0.0.1", () => console.log(socket.address().port));
process.stdin.resume().on("end", () => process.exit(0));
