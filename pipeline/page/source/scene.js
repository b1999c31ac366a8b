// The room in 3D: people as skinned bodies, the floor, the camera and where it looks.
import {
  AmbientLight, Bone, BufferAttribute, BufferGeometry, Color, DirectionalLight, GridHelper, Group, LineBasicMaterial,
  LineSegments, Matrix4, MeshStandardMaterial, PerspectiveCamera, Scene, Skeleton, SkinnedMesh, SRGBColorSpace,
  Uint16BufferAttribute, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { fleshMaps } from "./body.js";

const LENS = 0.5; // metres of the frustum that are drawn
const GLIDE = 0.05; // of the way to the middle of all, with each result
const STEP = 0.05; // of a circle or of the distance, that a key turns or zooms

// The colour of an id, as the overlay has it (engines/body/overlay.py): HSV to RGB.
export function colourOf(id) {
  const [h, s, v] = [(0.08 + 0.618034 * id) % 1, 0.42, 0.95];
  const channel = (n) => {
    const k = (n + h * 6) % 6;
    return v - v * s * Math.max(0, Math.min(k, 4 - k, 1));
  };
  return new Color().setRGB(channel(5), channel(3), channel(1), SRGBColorSpace);
}

export class Room {
  constructor(canvas, body) {
    this.body = body;
    this.canvas = canvas;
    this.people = new Map();
    this.followed = null;
    this.free = true; // nobody has turned the view: it may go along
    this.renderer = new WebGLRenderer({ canvas, antialias: true });
    this.scene = new Scene();
    this.eye = new PerspectiveCamera(45, 1, 0.05, 200);
    this.controls = new OrbitControls(this.eye, canvas);
    this.controls.addEventListener("change", () => this.draw());
    this.controls.addEventListener("start", () => (this.free = false));
    this.geometry = geometryOf(body);
    this.world = new Group(); // turns the camera's frame into the room's
    this.world.matrixAutoUpdate = false;
    const sun = new DirectionalLight(0xffffff, 2.2);
    sun.position.set(2, 4, 3);
    this.scene.add(this.world, sun, new AmbientLight(0xffffff, 1.1));
    this.lens = new LineSegments(new BufferGeometry(), new LineBasicMaterial());
    this.lens.geometry.setAttribute("position", new BufferAttribute(new Float32Array(48), 3));
    this.lens.frustumCulled = false;
    this.lens.visible = false;
    this.world.add(this.lens);
    canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.paint());
    this.paint();
    this.reset();
    this.resize();
  }

  paint() {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => new Color(style.getPropertyValue(name).trim());
    this.scene.background = colour("--room");
    this.lens.material.color = colour("--lens");
    if (this.floor) this.scene.remove(this.floor);
    this.floor = new GridHelper(16, 32, colour("--axis"), colour("--grid"));
    this.floor.position.z = -4;
    this.scene.add(this.floor);
    this.draw();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(Math.max(width, 1), Math.max(height, 1), false);
    this.eye.aspect = width / Math.max(height, 1);
    this.eye.updateProjectionMatrix();
    this.draw();
  }

  // Draws once before the next picture of the screen, however often it is asked.
  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.renderer.render(this.scene, this.eye);
    });
  }

  // From beside the camera, with everybody and the camera in view.
  reset() {
    const target = this.aim() ?? new Vector3(0, 1, -2.5);
    this.controls.target.copy(target);
    const back = Math.max(3, target.length() * 1.25) / Math.min(this.eye.aspect, 1);
    this.eye.position.set(target.x + back * 0.6, target.y + back * 0.3, target.z + back);
    this.free = true;
    this.eye.fov = 45;
    this.eye.updateProjectionMatrix();
    this.controls.update();
    this.draw();
  }

  // From where the camera stands.
  through() {
    const place = new Vector3().setFromMatrixPosition(this.world.matrix);
    const ahead = new Vector3(0, 0, (this.middle() ?? new Vector3(0, 1, -3)).distanceTo(place)).applyMatrix4(this.world.matrix);
    this.free = false;
    this.eye.position.copy(place);
    this.controls.target.copy(ahead);
    if (this.taken) this.eye.fov = (360 / Math.PI) * Math.atan(this.taken.height / 2 / this.taken.fy);
    this.eye.updateProjectionMatrix();
    this.controls.update();
    this.draw();
  }

  middle() {
    const places = [...this.people.values()].map((body) => body.place);
    if (!places.length) return null;
    return places.reduce((sum, place) => sum.add(place), new Vector3()).divideScalar(places.length);
  }

  // What a free view looks at: people, and a little towards the camera.
  aim() {
    return this.middle()?.lerp(new Vector3().setFromMatrixPosition(this.world.matrix), 0.25);
  }

  key(event) {
    const turns = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const nearer = { "+": -1, "=": -1, "-": 1 }[event.key];
    if ((!turns && !nearer) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.free = false;
    const offset = this.eye.position.clone().sub(this.controls.target);
    if (nearer) {
      this.eye.position.copy(this.controls.target).addScaledVector(offset, 1 + nearer * STEP);
    } else if (event.shiftKey) {
      const [right, up] = [new Vector3(), new Vector3()];
      this.eye.matrix.extractBasis(right, up, new Vector3());
      const move = right.multiplyScalar(-turns[0]).addScaledVector(up, -turns[1]).multiplyScalar(STEP * offset.length());
      this.eye.position.add(move);
      this.controls.target.add(move);
    } else {
      const flat = Math.hypot(offset.x, offset.z);
      const around = Math.atan2(offset.x, offset.z) - turns[0] * STEP * Math.PI;
      const above = Math.max(-1.5, Math.min(1.5, Math.atan2(offset.y, flat) - turns[1] * STEP * Math.PI));
      const far = offset.length();
      offset.set(Math.sin(around) * Math.cos(above), Math.sin(above), Math.cos(around) * Math.cos(above));
      this.eye.position.copy(this.controls.target).addScaledVector(offset, far);
    }
    this.controls.update();
    this.draw();
  }

  // Shows the people of a result.
  show(result, people) {
    const m = result.world; // a rotation, and a translation
    this.world.matrix.set(m[0], m[1], m[2], m[9], m[3], m[4], m[5], m[10], m[6], m[7], m[8], m[11], 0, 0, 0, 1);
    this.world.matrixWorldNeedsUpdate = true;
    this.see(result.camera);
    const first = !this.people.size && people.length;
    const before = this.followed === null ? null : this.people.get(this.followed)?.place.clone();
    for (const [id, body] of this.people) {
      if (people.some((person) => person.id === id)) continue;
      this.world.remove(body.mesh);
      body.mesh.material.dispose();
      body.mesh.skeleton.dispose();
      this.people.delete(id);
    }
    for (const person of people) this.pose(person);
    this.follow(before);
    if (first && !this.met) {
      this.met = true;
      this.reset();
    }
    this.draw();
  }

  pose(person) {
    if (!this.people.has(person.id)) this.people.set(person.id, this.enter(person.id));
    const body = this.people.get(person.id);
    fleshMaps(this.body, person.turns, person.pelvis, person.bones).forEach((map, joint) => {
      body.mesh.skeleton.bones[joint].matrixWorld.set(...map, 0, 0, 0, 1);
    });
    body.place.set(...person.pelvis).applyMatrix4(this.world.matrix);
    const other = this.followed !== null && this.followed !== person.id;
    body.mesh.material.opacity = person.state === "lost" || other ? 0.35 : 1;
    body.mesh.material.transparent = body.mesh.material.opacity < 1;
  }

  enter(id) {
    const mesh = new SkinnedMesh(this.geometry, new MeshStandardMaterial({ color: colourOf(id), roughness: 0.75 }));
    const bones = Array.from({ length: this.body.parents.length }, () => new Bone());
    mesh.bindMode = "detached"; // the bones' matrices are whole maps, below the room's
    mesh.bind(new Skeleton(bones, bones.map(() => new Matrix4())), new Matrix4());
    mesh.frustumCulled = false;
    this.world.add(mesh);
    return { mesh, place: new Vector3() };
  }

  // Goes along with who is followed, or slowly with all until somebody has turned the view.
  follow(before) {
    const now = this.followed === null ? null : this.people.get(this.followed)?.place;
    const aim = this.free && this.followed === null ? this.aim() : null;
    if (!now && !aim) return;
    const moved = now ? now.clone().sub(before ?? now) : aim.sub(this.controls.target).multiplyScalar(GLIDE);
    this.eye.position.add(moved);
    this.controls.target.add(moved);
    this.controls.update();
  }

  // Follows somebody, or with null nobody.
  lock(id) {
    this.followed = id;
    const place = this.people.get(id)?.place;
    if (place) {
      this.eye.position.add(place.clone().sub(this.controls.target));
      this.controls.target.copy(place);
      this.controls.update();
    }
    this.draw();
  }

  see(camera) {
    this.taken = camera;
    const corner = (x, y) => [((x - camera.cx) / camera.fx) * LENS, ((y - camera.cy) / camera.fy) * LENS, LENS];
    const [w, h] = [camera.width, camera.height];
    const corners = [corner(0, 0), corner(w, 0), corner(w, h), corner(0, h)];
    const lines = corners.flatMap((at, k) => [0, 0, 0, ...at, ...at, ...corners[(k + 1) % 4]]);
    const positions = this.lens.geometry.attributes.position;
    positions.array.set(lines);
    positions.needsUpdate = true;
    this.lens.visible = true;
  }

  // Where a vertex of somebody stands in the room, for those who check.
  vertex(id, index) {
    const mesh = this.people.get(id).mesh;
    mesh.updateWorldMatrix(true, false);
    const point = new Vector3().fromBufferAttribute(this.geometry.attributes.position, index);
    return mesh.localToWorld(mesh.applyBoneTransform(index, point)).toArray();
  }
}

function geometryOf(body) {
  const geometry = new BufferGeometry();
  geometry.setAttribute("position", new BufferAttribute(body.vertices, 3));
  geometry.setAttribute("skinIndex", new Uint16BufferAttribute(body.skinJoints, 4));
  geometry.setAttribute("skinWeight", new BufferAttribute(body.skinWeights, 4, true));
  geometry.setIndex(new BufferAttribute(body.faces, 1));
  geometry.computeVertexNormals();
  return geometry;
}
