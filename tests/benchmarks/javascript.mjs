// The official JavaScript client, measured as clients.py measures the others.
// It is copied beside the `node_modules` with the client in it, and run there.

import { setTimeout } from "node:timers/promises";
import { Client } from "@gradio/client";

const [url, load] = process.argv.slice(2);
const { streams, fragments, every, turns } = JSON.parse(load);
const app = await Client.connect(url);
const clock = () => Number(process.hrtime.bigint()) / 1e9; // on Linux, Python's time.monotonic()

async function reply(script) {
  const [asked, stamps, arrived] = [clock(), [], []];
  let length = 0;
  const job = app.submit("/model_chat", { query: JSON.stringify(script), history: [], system: "" });
  for await (const { type, data } of job) {
    if (type !== "data") continue;
    const { content } = data[1].at(-1);
    const text = content[0].text ?? content;
    const now = clock();
    for (const piece of text.slice(length).split(" ").slice(0, -1)) {
      const [number, stamp] = piece.split(":").map(Number);
      if (number !== stamps.length) throw Error(`fragment ${number} follows ${stamps.length}`);
      stamps.push(stamp);
      arrived.push(now);
    }
    length = text.length;
  }
  return { asked, stamps, arrived, error: null };
}

await reply({ fragments: 3, every: 0.02 });
await setTimeout(500); // for what a client does after a reply
const replies = [];
let still = streams * turns;
async function ask() {
  while (still-- > 0) replies.push(await reply({ fragments, every }));
}
const [began, before] = [clock(), process.cpuUsage()];
await Promise.all(Array.from({ length: streams }, ask));
const { user, system } = process.cpuUsage(before);
const outcome = { replies, seconds: clock() - began, cpu: (user + system) / 1e6 };
// The client keeps a heartbeat open.
process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
