#!/bin/sh
# Lead events, a JSON object a line, over the HTTP API: produce.sh events.jsonl
#
# At most 10,000 a call. POSTBACKS_URL is a worker of the role web (http://127.0.0.1:8080), POSTBACKS_TOKEN the token
# that edits. curl calls again after a time-out or a status that may pass; known event ids change nothing. Exits with
# 0 once Kafka has all events, else with curl's status (22: the API refused, and said why).
set -eu
printf 'header = "Authorization: Bearer %s"\n' "${POSTBACKS_TOKEN:-}" | # not an argument: others could read it
curl --config - --silent --show-error --fail-with-body \
    --retry 5 --retry-connrefused --connect-timeout 5 --max-time 30 \
    --header 'Content-Type: application/x-ndjson' --data-binary "@$1" \
    "${POSTBACKS_URL:-http://127.0.0.1:8080}/api/lead-events"
