"""What each setting does, a sentence each: for `docs/reference/settings.md`, and for a shell that completes.

A setting without its line here fails a test.
"""

from __future__ import annotations

ABOUT = {
    "Kafka": {
        "KAFKA": "The brokers.",
        "KAFKA_SECURITY": "How the brokers are spoken to.",
        "KAFKA_SASL_MECHANISM": "How user and password are proved, where KAFKA_SECURITY has SASL.",
        "KAFKA_USERNAME": "The user, where KAFKA_SECURITY has SASL.",
        "KAFKA_PASSWORD": "The user’s password. No flag: process lists show those.",
        "KAFKA_CA_FILE": "The authorities that sign the brokers’ certificates, PEM; else the system’s.",
        "KAFKA_CERT_FILE": "Our certificate, PEM, for brokers that ask for one.",
        "KAFKA_KEY_FILE": "The key of KAFKA_CERT_FILE, PEM.",
        "KAFKA_SESSION_TIMEOUT": "How soon a dead worker’s partitions move.",
        "PREFIX": "What the names of topics, groups and apps begin with: one for each installation.",
        "PARTITIONS": "Partitions of each topic, so the most workers of a role. Chosen once, for good.",
        "REPLICATION": "Replicas of each topic that migrate makes.",
        "REQUESTS_RETENTION_DAYS": "How long Kafka keeps requests: how far a replay reaches as they were.",
    },
    "ClickHouse": {
        "CLICKHOUSE": "The server and its database, with user and password.",
        "CLICKHOUSE_CLUSTER": "The cluster that tables are made on. Not obeyed yet: it stops the start.",
        "LOG_TTL_DAYS": "How long rows of the log are kept; migrate changes it.",
    },
    "A worker": {
        "WORKER": "This worker’s name, also in rows; on one machine each needs its own.",
        "DATA_DIR": "Where a worker keeps its tables, and dev its addresses.",
        "FLOWS_DIR": "The folder of flows that dev watches, as --flows.",
        "STOP_TIMEOUT": "How long a stop waits for what is being sent.",
        "HANDOVER_S": "How long a partition that moves away waits for what is being sent.",
        "STALL_TIMEOUT": "How long something may wait without progress until the process ends.",
        "LOG_FORMAT": "Lines of the worker’s own log: for programs, or for people.",
        "TRACES": "The collector that spans are sent to, by OTLP over HTTP; needs the extra otel.",
        "TRACES_TO_RECEIVERS": "Whether receivers get a traced request’s traceparent as a header.",
        "LOG_LEVEL": "The least level that is written to the worker’s own log.",
    },
    "Leads": {
        "LEAD_TTL_DAYS": "How long a lead is remembered after its last event.",
        "LATE_S": "A status is late when its event is so much older than the one that set the lead’s status.",
    },
    "Sending": {
        "SENDING": "dry-run renders and logs, and sends nothing.",
        "MAX_IN_FLIGHT": "How many requests a worker sends at a time.",
        "MAX_PER_HOST": "How many of them may go to one host.",
        "RETRY_DELAYS": "The tiers in which requests wait, a topic each. Run migrate after a change.",
        "RETRY_AFTER_MAX_S": "The longest Retry-After that is obeyed.",
        "ALLOW_NETWORKS": "Networks that postbacks may go to though they are private: none else is reached.",
        "PROXY": "The proxy that postbacks go through; it must allow CONNECT to the receivers’ ports.",
        "SOURCE_ADDRESS": "The address of this machine that postbacks leave from.",
        "SECRETS_DIR": "A folder with a file for each {secret.NAME}, read again when it changes.",
    },
    "Pages and API": {
        "WEB": "Where pages, API and /metrics are served.",
        "TOKEN": "The token that edits. Needed beyond loopback, unless VIEW_TOKEN is set.",
        "VIEW_TOKEN": "The token that views, and sees phone numbers and e-mails masked.",
        "INBOUND": "A JSON file that says what the calls of /in/TOKEN mean.",
    },
}
"""By what they are about: the settings’ names without `POSTBACKS_`, and what they do."""

TOLD = {name: says for some in ABOUT.values() for name, says in some.items()}
"""The same without the groups."""
