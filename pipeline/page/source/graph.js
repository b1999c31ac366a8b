// A line of the last minute.
const SECONDS = 60;

export class Graph {
  constructor(canvas, unit, least) {
    this.canvas = canvas;
    this.unit = unit;
    this.least = least; // the scale's end, at least
    this.points = [];
  }

  add(time, value) {
    this.points.push([time, value]);
    while (this.points.length && this.points[0][0] < time - SECONDS) this.points.shift();
  }

  clear() {
    this.points = [];
  }

  draw(now) {
    const { canvas } = this;
    const [width, height, ratio] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const end = nice(Math.max(this.least, ...this.points.map(([, value]) => value)));
    pen.font = `11px ${style.fontFamily}`;
    pen.fillStyle = colour("--dim");
    pen.strokeStyle = colour("--line");
    pen.lineWidth = 1;
    for (const share of [0, 0.5, 1]) {
      const y = Math.round(6 + (1 - share) * (height - 12)) + 0.5;
      pen.beginPath();
      pen.moveTo(0, y);
      pen.lineTo(width - 52, y);
      pen.stroke();
      pen.fillText(`${end * share} ${this.unit}`, width - 48, y + 3.5);
    }
    pen.strokeStyle = colour("--accent");
    pen.lineWidth = 1.5;
    pen.beginPath();
    let last = -Infinity;
    for (const [time, value] of this.points) {
      const x = (1 - (now - time) / SECONDS) * (width - 52);
      const y = 6 + (1 - value / end) * (height - 12);
      if (time - last > 2) pen.moveTo(x, y); // nothing came meanwhile
      else pen.lineTo(x, y);
      last = time;
    }
    pen.stroke();
  }
}

// The next of 1, 2, 5, 10, 20, …
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= value);
}
