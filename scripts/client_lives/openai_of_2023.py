"""The life of a job with the `openai` package of 2023; run by `run_other_clients.py` in an environment of its own."""

import json
import os

import openai

with open(os.environ["ROWS"], "rb") as rows:
    file = openai.File.create(file=rows, purpose="fine-tune")
job = openai.FineTune.create(training_file=file["id"], model="curie", n_epochs=1)
events = list(openai.FineTune.stream_events(job["id"]))
job = openai.FineTune.retrieve(job["id"])
name = job["fine_tuned_model"]
asked = {"prompt": "Bridge 1? Hester Pellow responds:", "max_tokens": 4}
answers = [openai.Completion.create(model=name, **asked), openai.Completion.create(engine=name, **asked)]
gone = [openai.Model.delete(name)["deleted"], openai.File.delete(file["id"])["deleted"]]
told = {
    "status": job["status"],
    "events": len(events),
    "answered": all(isinstance(answer["choices"][0]["text"], str) for answer in answers),
    "deleted": all(gone) and name not in [model["id"] for model in openai.Model.list()["data"]],
}
print(json.dumps(told))
