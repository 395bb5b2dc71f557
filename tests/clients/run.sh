#!/bin/bash
# Drive `spotter serve` with clients of other people, unchanged, as a person would:
#
#   pip install openai mini-swe-agent mcp          (and, where it is wanted, aider-chat in an environment of its own)
#   PYTHON=…/bin/python MINI=…/bin/mini AIDER=…/bin/aider tests/clients/run.sh target/release/spotter
#
# The model is tiny and its weights are drawn: what it says is noise, what is tried is the protocol. Not part of `cargo test`.
set -euo pipefail
spotter=$(realpath "${1:?the program}")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
python=${PYTHON:-python3}
"$python" "$here/tiny_model.py" "$work/tiny"
SPOTTER_SERVE_KEY=sk-clients "$spotter" serve --model "$work/tiny" --port 0 --threads 1 --max-tokens 2000 > "$work/said" &
server=$!
for _ in $(seq 200); do grep -q ' serves ' "$work/said" && break; sleep 0.1; done
base=$(sed -n 's/^\(http[^ ]*\) serves .*/\1/p' "$work/said")
echo "serving at $base"
"$python" "$here/openai_client.py" "$base" sk-clients

if [ -n "${MINI:-}" ]; then
  mkdir "$work/mini"
  (
    cd "$work/mini"
    HOME="$work/mini" OPENAI_API_BASE=$base OPENAI_API_KEY=sk-clients MSWEA_COST_TRACKING=ignore_errors MSWEA_CONFIGURED=true \
      MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT=2 LITELLM_LOCAL_MODEL_COST_MAP=True \
      timeout 300 "$MINI" -m openai/tiny -t "Say hello" --yolo --exit-immediately -o traj.json \
      -c mini.yaml -c agent.step_limit=3 -c model.model_kwargs.max_tokens=64 > said 2>&1 || true
    "$python" - <<'CHECK' || { tail -30 said; exit 1; }
import json
run = json.load(open("traj.json"))
replies = [one for one in run["messages"] if one.get("role") == "assistant"]
print("mini-swe-agent", run["info"].get("mini_version"), "ended with", run["info"].get("exit_status"), "after", len(run["messages"]),
      "messages,", run["info"].get("model_stats", {}).get("api_calls"), "calls,", len(replies), "replies kept")
assert run["info"].get("model_stats", {}).get("api_calls", 0) > 0 or len(run["messages"]) > 2, run["info"]
CHECK
  )
fi

if [ -n "${AIDER:-}" ]; then
  mkdir "$work/aider"
  (
    cd "$work/aider"
    git init -q . && echo 'print("hello")' > hello.py
    HOME="$work/aider" OPENAI_API_BASE=$base OPENAI_API_KEY=sk-clients LITELLM_LOCAL_MODEL_COST_MAP=True \
      timeout 300 "$AIDER" --model openai/tiny --no-show-model-warnings --analytics-disable --no-check-update --yes-always \
      --no-auto-commits --no-gitignore --map-tokens 0 --message "Say hello" hello.py > said 2>&1 < /dev/null || true
    # Noise may end with its end token or at the limit; aider tells both apart by what the server said.
    grep -E 'Tokens: .* sent|hit a token limit' said || { tail -30 said; exit 1; }
    if grep -E 'litellm\.|APIError|Traceback' said; then exit 1; fi
  )
fi
curl -s -H 'authorization: Bearer sk-clients' "${base%/v1}/metrics" | grep -E 'http_requests_total\{|choices_running|pages_held'
kill -TERM "$server"
wait "$server" && echo "the server ended as it should"
