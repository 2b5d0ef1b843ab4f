"""Every metric's name, in one place: what it counts and what to do about it."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("postbacks_lead_events", "Lead events handled, by what became of them.", ["result"])
SKIPPED = Counter("postbacks_skipped", "Postbacks not sent, by reason; each has its row.", ["reason"])
REQUESTS = Counter("postbacks_requests", "Requests rendered and handed to OUTBOUND.")
UNRENDERED = Counter(
    "postbacks_unrendered", "Requests that could not be rendered; each is a row `failed` with its reason."
)
ATTEMPTS = Counter("postbacks_attempts", "Sends, by outcome. Look at `failed` by host.", ["outcome"])
DROPPED = Counter(
    "postbacks_repeats_dropped", "Requests that came again and were not sent twice (crash, rebalance)."
)
ABANDONED = Counter(
    "postbacks_abandoned",
    "Values unfinished when a partition was given up; a send may repeat. Rising: raise HANDOVER_S.",
)
EXHAUSTED = Counter(
    "postbacks_exhausted", "Requests failed because their attempts or their time were used up.", ["limit"]
)
MOVED = Counter("postbacks_retries_moved", "Requests moved out of a tier, on or back to be sent.", ["tier"])
BROKEN_CONFIGS = Counter(
    "postbacks_broken_flow_configs", "Flow configs in Kafka that cannot be read. Run: postbacks flows lint."
)
LOG_ROWS = Counter("postbacks_log_rows", "Rows written to ClickHouse, by table.", ["table"])
LOG_REFUSED = Counter("postbacks_log_rows_refused", "Rows that ClickHouse refused: postback-log-rejected.")
CLICKHOUSE_AWAY = Gauge("postbacks_clickhouse_away", "1 while LOG waits for ClickHouse.")
PUT_OFF = Counter(
    "postbacks_put_off",
    "Requests that wait in a tier because they could not be sent now; no attempt and no row. By why: circuit "
    "or paused (the host), queue (too many for it), rate, lane (behind another).",
    ["why"],
)
OPEN_CIRCUITS = Gauge(
    "postbacks_open_circuits", "Hosts that only fail and are asked now and then whether they are back."
)
CIRCUIT_OPEN = Gauge("postbacks_circuit_open", "1 for each host of those, for at most 100 of them.", ["host"])
WAITING = Gauge("postbacks_waiting", "Requests that wait in memory for their host, rate or lane.")
IN_FLIGHT = Gauge("postbacks_in_flight", "Requests being sent now.")
UNFINISHED = Gauge("postbacks_unfinished", "Values taken from Kafka and not finished, by role.", ["role"])
FLOWS = Gauge("postbacks_flows", "Flows that this worker holds; equal on all workers.")
FLOWS_OFFSET = Gauge("postbacks_flows_offset", "Offset read of flow-configs; equal on all workers.")
SEND_S = Histogram(
    "postbacks_send_seconds",
    "From the start of a send to the end of its answer.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LEADS_EXPIRED = Counter("postbacks_leads_expired", "Leads forgotten after LEAD_TTL_DAYS.")
ALARMS = Counter(
    "postbacks_alarms",
    "Alarms that began; each is a line `alarm` in the log, which says where, why and what to do. By kind: "
    "postback_fails (what it sends only fails: see why in its rows, then replay), host_dark (it answers "
    "nothing: what is for it waits; see whether it is reached from here), auth_refused (parked: mend the "
    "credentials, then release), deadline_near (requests that wait will fail unsent: see why), "
    "events_rejected (more than usual: mend the producer, then send them again).",
    ["kind"],
)
ALARMS_ON = Gauge(
    "postbacks_alarms_on", "Alarms that are on now, by kind; on more than 0 call somebody.", ["kind"]
)
ALARM = Gauge(
    "postbacks_alarm",
    "1 while an alarm is on, with where; at most 100 of a kind.",
    ["kind", "flow", "postback", "host"],
)
ACCESS_TOKENS = Counter(
    "postbacks_access_tokens",
    "Access tokens asked for with OAuth credentials, by result: granted, failed (it is asked again), refused "
    "(mend the credential). The log line `no access token` says why.",
    ["result"],
)
PARKED_POSTBACKS = Gauge(
    "postbacks_parked_postbacks",
    "Postbacks that are parked: their requests are kept until `postbacks release`.",
)
PARKED_OLDEST_S = Gauge(
    "postbacks_parked_oldest_seconds",
    "For how long the longest parked postback has been parked; its requests fail at their deadlines.",
)
LAG = Gauge(
    "postbacks_lag",
    "Records not yet handled in the partitions that this worker reads, by role and topic; asked six times "
    "within STALL_TIMEOUT. Sum over all workers.",
    ["role", "topic"],
)
STANDING_S = Gauge(
    "postbacks_standing_still_seconds",
    "For how long a partition has finished nothing though something waits in it; at STALL_TIMEOUT the worker "
    "ends.",
)
LOOP_LAG_S = Histogram(
    "postbacks_loop_lag_seconds",
    "How much later than it was to the event loop turned; above 0.25 s the worker has too much to do.",
    buckets=(0.005, 0.025, 0.1, 0.25, 1, 5),
)
DISK_FREE = Gauge("postbacks_disk_free_bytes", "Room left where the worker's tables lie (DATA_DIR).")
DISK_SIZE = Gauge("postbacks_disk_size_bytes", "All the room where the worker's tables lie.")
