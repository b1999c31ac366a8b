// Makes page.js of source/*.js, three and @msgpack/msgpack; says which sources it was made of.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { build } from "esbuild";

const hash = createHash("sha256");
for (const name of readdirSync("source").sort()) hash.update(readFileSync(`source/${name}`));
hash.update(readFileSync("package.json"));
await build({
  entryPoints: ["source/main.js"], outfile: "page.js", bundle: true, minify: true, format: "esm",
  target: "es2022", charset: "utf8", legalComments: "inline",
  banner: { js: `// Made by \`make page\` of sources ${hash.digest("hex")}; licences: NOTICE` },
});
