// The life of a job with the npm package `openai` 3.3.0 of 2023; run by `run_other_clients.py`.
const fs = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");
const { Configuration, OpenAIApi } = require("openai");

const api = new OpenAIApi(new Configuration({ apiKey: "none", basePath: process.env.OPENAI_API_BASE }));

async function live() {
  const file = (await api.createFile(fs.createReadStream(process.env.ROWS), "fine-tune")).data;
  let job = (await api.createFineTune({ training_file: file.id, model: "curie", n_epochs: 1 })).data;
  while (!["succeeded", "failed", "cancelled"].includes(job.status)) {
    await sleep(500);
    job = (await api.retrieveFineTune(job.id)).data;
  }
  const events = (await api.listFineTuneEvents(job.id)).data.data;
  const asked = { model: job.fine_tuned_model, prompt: "Bridge 1?", max_tokens: 4 };
  const answer = (await api.createCompletion(asked)).data;
  const gone = [(await api.deleteModel(job.fine_tuned_model)).data, (await api.deleteFile(file.id)).data];
  const told = {
    status: job.status,
    events: events.length,
    answered: typeof answer.choices[0].text === "string",
    deleted: gone.every((one) => one.deleted),
  };
  console.log(JSON.stringify(told).replaceAll(":", ": "));
}

live();
