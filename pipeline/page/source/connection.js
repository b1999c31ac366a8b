// The websocket: results, events as on the wire (docs/wire-protocol.md), and pictures; it comes back by itself.
import { decode } from "@msgpack/msgpack";

const AGAIN = 1000; // milliseconds to the next try
const SILENT = 4000; // milliseconds without a word from a server that says something every second

export class Connection {
  // `heard(kind, source, content)` gets results (`people`), events (`status`), pictures (`picture`, as bytes), and what
  // a replay (`playback`) and the recordings (`recorder`) are at.
  constructor(heard, changed) {
    this.heard = heard;
    this.changed = changed;
    this.picture = "";
    this.open();
  }

  open() {
    const address = new URL("/live", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.look(this.picture);
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.alive();
      this.changed("live");
      this.take(new Uint8Array(data));
    };
    socket.onclose = () => this.lost(socket);
    this.alive();
  }

  alive() {
    clearTimeout(this.watch);
    const socket = this.socket;
    this.watch = setTimeout(() => {
      socket.close();
      this.lost(socket);
    }, SILENT);
  }

  lost(socket) {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.watch);
    this.changed("lost");
    setTimeout(() => this.open(), AGAIN);
  }

  // Asks for the pictures of a source, or with "" for none.
  look(source) {
    this.picture = source;
    this.ask({ picture: source });
  }

  ask(wish) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(wish));
  }

  take(message) {
    const end = message.indexOf(0);
    const topic = new TextDecoder().decode(message.subarray(0, end));
    const slash = topic.indexOf("/");
    const [kind, source, content] = [topic.slice(0, slash), topic.slice(slash + 1), message.subarray(end + 1)];
    if (kind === "picture") this.heard(kind, source, content);
    else if (kind !== "alive") this.heard(kind, source, decode(content));
  }
}
