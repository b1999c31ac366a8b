// What three.js makes of a glTF file, in node.
//   node gltf_player.mjs validate FILE...            the issues that the Khronos validator has, a line of JSON per file
//   node gltf_player.mjs play FILE TIME...           joints (and vertices) in the world at each time, a line of JSON each
//   node gltf_player.mjs vrm AVATAR ANIMATION TIME.. the bones of a VRM model that plays a VRM animation, the same way
import { readFileSync } from "node:fs";
import { VRMLoaderPlugin } from "@pixiv/three-vrm";
import { VRMAnimationLoaderPlugin, createVRMAnimationClip } from "@pixiv/three-vrm-animation";
import validator from "gltf-validator";
import { AnimationMixer, Vector3 } from "three";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";

globalThis.self ??= globalThis;
const loader = new GLTFLoader();
loader.register((parser) => new VRMLoaderPlugin(parser));
loader.register((parser) => new VRMAnimationLoaderPlugin(parser));
const load = (file) => {
  const data = readFileSync(file);
  return loader.parseAsync(data.buffer.slice(data.byteOffset, data.byteOffset + data.length), "");
};
const show = (value) => console.log(JSON.stringify(value));
const place = (node) => node.getWorldPosition(new Vector3()).toArray();
const [what, ...rest] = process.argv.slice(2);

if (what === "validate") {
  for (const file of rest) show((await validator.validateBytes(new Uint8Array(readFileSync(file)))).issues);
} else if (what === "play") {
  const [file, ...times] = rest;
  const gltf = await load(file);
  const mixer = new AnimationMixer(gltf.scene);
  mixer.clipAction(gltf.animations[0]).play();
  for (const time of times) {
    mixer.setTime(Number(time));
    gltf.scene.updateMatrixWorld(true);
    const people = [];
    gltf.scene.traverse((mesh) => {
      if (!mesh.isSkinnedMesh) return;
      const vertices = [];
      for (let k = 0; k < mesh.geometry.attributes.position.count; k += 97)
        vertices.push(mesh.localToWorld(mesh.getVertexPosition(k, new Vector3())).toArray());
      const scale = mesh.skeleton.bones[0].parent.scale.x;
      people.push({ name: mesh.name, joints: mesh.skeleton.bones.map(place), vertices, scale });
    });
    show(people);
  }
} else {
  const [avatar, animation, ...times] = rest;
  const { vrm } = (await load(avatar)).userData;
  const [motion] = (await load(animation)).userData.vrmAnimations;
  const mixer = new AnimationMixer(vrm.scene);
  mixer.clipAction(createVRMAnimationClip(motion, vrm)).play();
  for (const time of times) {
    mixer.setTime(Number(time));
    vrm.update(0);
    vrm.scene.updateMatrixWorld(true);
    const bones = Object.entries(vrm.humanoid.rawHumanBones).map(([name, { node }]) => [name, place(node)]);
    const weights = Object.entries(vrm.expressionManager?.expressionMap ?? {}).map(([name, e]) => [name, e.weight]);
    show({ bones: Object.fromEntries(bones), expressions: Object.fromEntries(weights) });
  }
}
