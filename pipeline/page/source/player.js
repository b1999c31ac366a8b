// The time line of a replay: what everybody who looks sees, and may turn.
const DRAG = 150; // milliseconds between two jumps while the time is dragged
const STEPS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }; // seconds
const FINE = 0.04; // of a step, with Shift: about a frame
const SETTLE = 400; // milliseconds for the server to have heard of it

export class Player {
  // `ask` sends a wish: { play }, { seek } or { speed }.
  constructor(root, ask) {
    this.root = root;
    this.ask = ask;
    this.state = null;
    this.own = 0; // until when what the server says of the moment is older than what was wished here
    this.sent = 0;
    const find = (id) => root.querySelector(`#${id}`);
    [this.button, this.time, this.clock, this.speed] = ["play", "time", "clock", "speed"].map(find);
    this.button.addEventListener("click", () => ask({ play: !this.state?.playing }));
    this.speed.addEventListener("change", () => ask({ speed: Number(this.speed.value) }));
    this.time.addEventListener("input", () => this.seek(performance.now() - this.sent > DRAG));
    this.time.addEventListener("change", () => this.seek(true));
    this.time.addEventListener("keydown", (event) => this.key(event));
  }

  seek(now) {
    this.own = performance.now() + SETTLE;
    if (now) {
      this.sent = performance.now();
      this.ask({ seek: Number(this.time.value) });
    }
    this.say(Number(this.time.value));
  }

  // A browser's own steps are a hundredth of the whole.
  key(event) {
    const step = STEPS[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    this.time.value = this.time.valueAsNumber + step * (event.shiftKey ? FINE : 1);
    this.seek(true);
  }

  hear(state) {
    this.root.hidden = false;
    this.state = { ...state, heard: performance.now() };
    this.time.max = Math.max(state.seconds, 0.01);
    this.button.textContent = state.playing ? "Pause" : state.over ? "Play again" : "Play";
    if (document.activeElement !== this.speed) this.speed.value = String(state.speed);
    this.draw();
  }

  // Between two words of the server the time goes on.
  draw() {
    if (!this.state || performance.now() < this.own) return;
    const { at, seconds, playing, speed, heard } = this.state;
    const now = Math.min(at + (playing ? ((performance.now() - heard) / 1000) * speed : 0), seconds);
    this.time.value = now;
    this.say(now);
  }

  say(at) {
    const { seconds, over } = this.state;
    this.clock.textContent = `${duration(at)} / ${duration(seconds)}${over && at >= seconds ? ", the end" : ""}`;
    this.time.setAttribute("aria-valuetext", `${duration(at)} of ${duration(seconds)}`);
  }
}

export function duration(seconds) {
  const whole = Math.floor(seconds + 1e-6);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}
