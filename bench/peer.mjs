// The peer of bench/render.py: MJML in, inlined HTML out, by npm mjml and juice.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(new URL("./peers/package.json", import.meta.url));
const mjml2html = require("mjml");
const juice = require("juice");
const [, , source, target] = process.argv;
const { html } = await mjml2html(readFileSync(source, "utf8"), { validationLevel: "skip" });
writeFileSync(target, juice(html));
