"""The life of a job with LiteLLM; run by `run_other_clients.py` in an environment of its own."""

import json
import os
import time

import litellm

there = {"custom_llm_provider": "openai", "api_base": os.environ["OPENAI_API_BASE"], "api_key": "none"}
with open(os.environ["ROWS"], "rb") as rows:
    file = litellm.create_file(file=("rows.jsonl", rows.read()), purpose="fine-tune", **there)
job = litellm.create_fine_tuning_job(
    model="curie", training_file=file.id, hyperparameters={"n_epochs": 1}, **there
)  # the old place of hyperparameters
while job.status not in ("succeeded", "failed", "cancelled"):
    time.sleep(0.5)
    job = litellm.retrieve_fine_tuning_job(fine_tuning_job_id=job.id, **there)
listed = litellm.list_fine_tuning_jobs(limit=20, **there)
said = [{"role": "user", "content": "Bridge 1?"}]
model = f"openai/{job.fine_tuned_model}"
answer = litellm.completion(model=model, messages=said, max_tokens=4, api_base=there["api_base"], api_key="none")
gone = litellm.file_delete(file_id=file.id, **there)
told = {
    "status": job.status,
    "listed": job.id in [one.id for one in listed.data],
    "answered": isinstance(answer.choices[0].message.content, str),
    "deleted": bool(gone.deleted),
}
print(json.dumps(told))
