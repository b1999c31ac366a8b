// The list of people: where each part's numbers come from, and how far they can be trusted.
import { colourOf } from "./scene.js";

const ORIGINS = { measured: "measured", held: "held from earlier", default: "not known" };

export class People {
  constructor(list, lock) {
    this.list = list;
    this.lock = lock;
    this.items = new Map();
    this.locked = null;
  }

  show(people) {
    for (const [id, item] of this.items) {
      if (people.some((person) => person.id === id)) continue;
      item.element.remove();
      this.items.delete(id);
      if (this.locked === id) this.choose(null);
    }
    for (const person of people) {
      if (!this.items.has(person.id)) this.items.set(person.id, this.enter(person.id));
      this.fill(this.items.get(person.id), person);
    }
  }

  choose(id) {
    this.locked = id;
    this.lock(id);
    for (const [other, item] of this.items) item.button.setAttribute("aria-pressed", String(other === id));
  }

  enter(id) {
    const element = document.createElement("li");
    element.className = "person";
    element.innerHTML = `<div class="who"><span class="swatch"></span><span class="name"></span>
      <button type="button" aria-pressed="false">Follow</button></div>
      <details><summary>Parts</summary><table><thead><tr><th scope="col">part</th><th scope="col">from</th>
      <th scope="col">confidence</th></tr></thead><tbody></tbody></table></details>`;
    const button = element.querySelector("button");
    button.setAttribute("aria-label", `Follow person ${id}`);
    button.addEventListener("click", () => this.choose(this.locked === id ? null : id));
    element.querySelector(".swatch").style.background = `#${colourOf(id).getHexString()}`;
    element.querySelector("details").open = !this.items.size;
    this.list.append(element);
    return { element, button, name: element.querySelector(".name"), body: element.querySelector("tbody"), rows: new Map() };
  }

  fill(item, person) {
    const away = Math.hypot(...person.pelvis).toFixed(1);
    const size = person.sizeAssumed ? ", if of usual size" : "";
    item.name.textContent = `Person ${person.id}: ${person.state}, ${away} m away${size}`;
    for (const [name, part] of Object.entries(person.parts)) {
      if (!item.rows.has(name)) item.rows.set(name, row(item.body, name));
      const cells = item.rows.get(name);
      cells.origin.textContent = ORIGINS[part.origin] ?? part.origin;
      cells.origin.className = part.origin in ORIGINS ? part.origin : "";
      cells.meter.value = part.confidence;
      cells.percent.textContent = `${Math.round(100 * part.confidence)} %`;
    }
  }
}

const TITLES = { transl: "place", betas: "shape" };

function row(body, name) {
  const line = body.insertRow();
  const title = document.createElement("th");
  title.scope = "row";
  title.textContent = TITLES[name] ?? name.replaceAll("_", " ");
  line.append(title);
  const origin = line.insertCell();
  const last = line.insertCell();
  const meter = document.createElement("meter");
  meter.setAttribute("aria-hidden", "true");
  const percent = document.createElement("span");
  last.append(meter, percent);
  return { origin, meter, percent };
}
