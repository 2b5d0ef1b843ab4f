-- lead_events and flow_versions: what LOG read of lead-events and flow-configs, as it came, for a lead's
-- story, a rendering anew and a flow's history.
--
-- A record is its partition and offset, so that is the key; recorded_at is its Kafka timestamp. value is the
-- record's bytes, whatever they are. The ids are for looking up: the event's own, or else the record's key.
-- A flow's configs never expire: its newest may be older than any row of the log. A null record, which
-- deletes the flow, is kept as `deleted`.
CREATE TABLE IF NOT EXISTS lead_events
(
    partition   UInt32 CODEC(ZSTD(1)),
    offset      Int64 CODEC(Delta, ZSTD(1)),
    recorded_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    lead_id     String CODEC(ZSTD(1)),
    flow_id     LowCardinality(String) CODEC(ZSTD(1)),
    event_id    String CODEC(ZSTD(1)),
    value       String CODEC(ZSTD(3)),

    INDEX lead_id_bloom lead_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(recorded_at)
ORDER BY (partition, offset)
TTL toDateTime(recorded_at) + toIntervalDay({log_ttl_days})
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS flow_versions
(
    partition   UInt32 CODEC(ZSTD(1)),
    offset      Int64 CODEC(Delta, ZSTD(1)),
    recorded_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    flow_id     String CODEC(ZSTD(1)),
    deleted     Bool CODEC(ZSTD(1)),
    value       String CODEC(ZSTD(3)),

    INDEX flow_id_bloom flow_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
ORDER BY (partition, offset)
SETTINGS non_replicated_deduplication_window = 10000;
