// Opens so many connections of imapflow, has them idle, and prints what each takes in kB.
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

// Packages lie in the folder that this runs in, not beside this file.
const { ImapFlow } = createRequire(process.cwd() + "/")("imapflow");
const [port, count, pass] = process.argv.slice(2);
const clients = [];

async function open(number) {
  const client = new ImapFlow({
    host: "127.0.0.1",
    port: Number(port),
    secure: true,
    tls: { rejectUnauthorized: false },
    auth: { user: `user${number}@watched.test`, pass },
    logger: false,
  });
  await client.connect();
  await client.mailboxOpen("INBOX", { readOnly: true });
  client.idle();
  clients.push(client);
}

await open(0);
const before = process.memoryUsage().rss;
for (let number = 1; number < Number(count); number += 20) {
  await Promise.all(Array.from({ length: Math.min(20, count - number) }, (_, at) => open(number + at)));
}
await pause(3000);
console.log((process.memoryUsage().rss - before) / 1024 / (clients.length - 1));
process.exit(0);
