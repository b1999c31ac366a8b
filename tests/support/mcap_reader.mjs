// What Foxglove's own packages make of a recording: node mcap_reader.mjs FILE prints a line of JSON.
import { readFileSync } from "node:fs";
import * as schemas from "@foxglove/schemas/jsonschema.js";
import { McapIndexedReader } from "@mcap/core";
import { decompress } from "fzstd";

const bare = (value) => {
  if (Array.isArray(value)) return value.map(bare);
  if (!value || typeof value !== "object") return value;
  const keys = Object.keys(value).filter((k) => !(["description", "$comment"].includes(k) && typeof value[k] === "string"));
  return Object.fromEntries(keys.sort().map((key) => [key, bare(value[key])]));
};
const same = (a, b) => JSON.stringify(bare(a)) === JSON.stringify(bare(b));

const data = readFileSync(process.argv[2]);
const readable = {
  size: async () => BigInt(data.length),
  read: async (start, length) => new Uint8Array(data.subarray(Number(start), Number(start + length))),
};
const reader = await McapIndexedReader.Initialize({ readable, decompressHandlers: { zstd: (part) => decompress(part) } });
const alike = {};
for (const { name, data: ours } of reader.schemasById.values())
  if (name.startsWith("foxglove.")) alike[name] = same(JSON.parse(Buffer.from(ours)), (schemas.default ?? schemas)[name.slice(9)]);
const count = {};
for await (const { channelId } of reader.readMessages()) {
  const { topic } = reader.channelsById.get(channelId);
  count[topic] = (count[topic] ?? 0) + 1;
}
console.log(JSON.stringify({ alike, count }));
