// A peer of bench/send.py: nodemailer's pool. Arguments: a port, how many messages, a JSON file.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(new URL("./peers/package.json", import.meta.url));
const nodemailer = require("nodemailer");
const [, , port, count, file] = process.argv;
const letter = JSON.parse(readFileSync(file, "utf8"));
const fill = (source, values) => source.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const started = performance.now();
const transport = nodemailer.createTransport({
  host: "127.0.0.1", port: Number(port), ignoreTLS: true,
  pool: true, maxConnections: letter.connections, maxMessages: Infinity,
});
let next = 0;
async function work() {
  while (next < Number(count)) {
    const number = next++;
    const id = number.toString(16).padStart(32, "0");
    const values = {
      first_name: letter.names[number % letter.names.length],
      preferences_url: `https://lettre.example/preferences/${id}`,
      unsubscribe_url: `https://lettre.example/desabonnement/${id}`,
    };
    await transport.sendMail({
      from: "La rédaction <redaction@lettre.example>",
      to: `${values.first_name} Personne ${number} <personne.${number}@exemple.example>`,
      subject: letter.subject,
      text: fill(letter.text, values),
      html: fill(letter.html, values),
      textEncoding: "quoted-printable",
      headers: {
        "List-Unsubscribe": `<${values.unsubscribe_url}>`,
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
      },
    });
  }
}
// Twice as many as there are connections, so that none of them ever waits for us.
await Promise.all(Array.from({ length: 2 * letter.connections }, work));
console.log((performance.now() - started) / 1000);
transport.close();
