# The life of a job with curl, as the guides of 2023 show; run by `run_other_clients.py`.
set -eu
ask() { curl --silent --show-error --fail-with-body -H "Authorization: Bearer none" "$@"; }
read_key() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
json="Content-Type: application/json"

file=$(ask "$OPENAI_API_BASE/files" -F purpose=fine-tune -F file=@"$ROWS" | read_key id)
order="{\"training_file\": \"$file\", \"model\": \"curie\", \"hyperparameters\": {\"n_epochs\": 1}}"
job=$(ask "$OPENAI_API_BASE/fine_tuning/jobs" -H "$json" -d "$order" | grep -o 'ftjob-[0-9a-f]*' | head -n 1)
status=queued
until [ "$status" = succeeded ] || [ "$status" = failed ]; do
  sleep 0.5
  told=$(ask "$OPENAI_API_BASE/fine_tuning/jobs/$job")
  status=$(echo "$told" | read_key status)
done
model=$(echo "$told" | read_key fine_tuned_model)
ask "$OPENAI_API_BASE/fine_tuning/jobs/$job/events" | grep -q "successfully completed"
ask "$OPENAI_API_BASE/completions" -H "$json" -d "{\"model\": \"$model\", \"prompt\": \"Bridge 1?\", \"max_tokens\": 4}" |
  grep -q '"text":"'
ask -X DELETE "$OPENAI_API_BASE/models/$model" | grep -q '"deleted":true'
ask -X DELETE "$OPENAI_API_BASE/files/$file" | grep -q '"deleted":true'
echo "{\"status\": \"$status\", \"answered\": true, \"deleted\": true}"
