// The life of a job with the npm package `openai` of today; run by `run_other_clients.py`.
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.OPENAI_API_BASE, apiKey: "none", maxRetries: 0 });
const file = await client.files.create({ file: fs.createReadStream(process.env.ROWS), purpose: "fine-tune" });
await client.files.waitForProcessing(file.id);
let job = await client.fineTuning.jobs.create({
  model: "curie",
  training_file: file.id,
  method: { type: "supervised", supervised: { hyperparameters: { n_epochs: 1 } } },
});
while (!["succeeded", "failed", "cancelled"].includes(job.status)) {
  await sleep(500);
  job = await client.fineTuning.jobs.retrieve(job.id);
}
let events = 0;
for await (const _ of client.fineTuning.jobs.listEvents(job.id, { limit: 2 })) events += 1; // page by page
const asked = { model: job.fine_tuned_model, max_tokens: 4 };
const chat = await client.chat.completions.create({ ...asked, messages: [{ role: "user", content: "Bridge 1?" }] });
let streamed = 0;
for await (const _ of await client.completions.create({ ...asked, prompt: "Bridge 1?", stream: true })) streamed += 1;
const gone = [await client.models.delete(job.fine_tuned_model), await client.files.delete(file.id)];
const told = {
  status: job.status,
  events,
  answered: typeof chat.choices[0].message.content === "string" && streamed > 0,
  deleted: gone.every((one) => one.deleted),
};
console.log(JSON.stringify(told).replaceAll(":", ": "));
