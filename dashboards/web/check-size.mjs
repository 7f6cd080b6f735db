// Fails the build when the page grows too heavy for a cheap phone on 2G: script and style, compressed.
// It also puts back dist/.gitkeep, which keeps go:embed compiling in a fresh clone.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const limit = 80_000;
let total = 0;
for (const name of readdirSync("dist/assets")) {
  if (!/\.(js|css)$/.test(name)) continue;
  const size = gzipSync(readFileSync(`dist/assets/${name}`), { level: 9 }).length;
  total += size;
  console.log(`${name}: ${size} bytes compressed`);
}
writeFileSync("dist/.gitkeep", "");
console.log(`result: page_gzip_bytes=${total} limit=${limit}`);
if (total > limit) {
  console.error(`The page weighs ${total} bytes compressed, ${limit} are allowed: take something out.`);
  process.exit(1);
}
