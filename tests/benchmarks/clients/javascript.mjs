// The official JavaScript client, measured as ../client.py measures the others.
// It is copied beside the `node_modules` with the client in it, and run there.

import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Client } from "@gradio/client";

const clock = () => Number(process.hrtime.bigint()) / 1e9; // on Linux, Python's time.monotonic()

const kilobytes = (field) =>
  Number(readFileSync("/proc/self/status", "utf8").match(`${field}:\\s+(\\d+)`)[1]);

async function ask(app, query) {
  const reply = { asked: clock(), numbers: [], stamps: [], arrived: [] };
  let length = 0;
  const job = app.submit("/model_chat", { query, history: [], system: "" });
  for await (const { type, data } of job) {
    if (type !== "data") continue;
    const last = data[1].at(-1);
    const text = Array.isArray(last) ? last[1] : (last.content[0].text ?? last.content);
    const now = clock();
    for (const piece of text.slice(length).split(" ").slice(0, -1)) {
      const [number, stamp] = piece.split(":").map(Number);
      reply.numbers.push(number);
      reply.stamps.push(stamp);
      reply.arrived.push(now);
    }
    length = text.length;
  }
  return reply;
}

async function measured(app, queries) {
  globalThis.gc();
  writeFileSync("/proc/self/clear_refs", "5");
  const before = kilobytes("VmRSS");
  const cpu = process.cpuUsage();
  const replies = await Promise.all(queries.map((query) => ask(app, query)));
  const { user, system } = process.cpuUsage(cpu);
  const memory = (kilobytes("VmHWM") - before) / 1024;
  return { replies, cpu: (user + system) / 1e6, memory };
}

const app = await Client.connect(process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await measured(app, JSON.parse(line))) + "\n");
}
process.exit(0); // the client keeps a heartbeat open
