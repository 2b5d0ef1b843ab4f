-- postback_stats: counts, outcomes and latency per hour, flow, postback, host and the six tags.
--
-- Computed from the deduplicated rows of postback_log, so that what was written twice counts once. A plain
-- materialized view could not: it counts what is inserted. The hour is that of requested_at, the lead event:
-- it is part of a row's identity, so a repeat can never move a row to another hour and leave a count behind.
--
-- A refresh counts again, whole, each hour of a flow that has new rows, and appends it; the newest count of
-- a group wins. New is what was stored since the last count, less five minutes, which is longer than an
-- insert can take. Without new rows it reads next to nothing and writes nothing.
--
-- Not partitioned: it is small, and one refresh may count hours of many months.
--
-- Latency is kept as t-digest states, so that quantiles of many groups can be merged:
--   SELECT quantilesTDigestMerge(0.5, 0.95, 0.99)(duration_state) FROM postback_stats WHERE …
CREATE TABLE IF NOT EXISTS postback_stats_hours
(
    hour           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    flow_id        LowCardinality(String) CODEC(ZSTD(1)),
    postback_id    LowCardinality(String) CODEC(ZSTD(1)),
    host           LowCardinality(String) CODEC(ZSTD(1)),
    utm_source     LowCardinality(String) CODEC(ZSTD(1)),
    utm_campaign   LowCardinality(String) CODEC(ZSTD(1)),
    utm_content    String CODEC(ZSTD(1)),
    utm_term       String CODEC(ZSTD(1)),
    utm_medium     LowCardinality(String) CODEC(ZSTD(1)),
    subid          String CODEC(ZSTD(1)),
    rows           UInt64 CODEC(ZSTD(1)),
    sends          UInt64 CODEC(ZSTD(1)),
    delivered      UInt64 CODEC(ZSTD(1)),
    retrying       UInt64 CODEC(ZSTD(1)),
    failed         UInt64 CODEC(ZSTD(1)),
    parked         UInt64 CODEC(ZSTD(1)),
    discarded      UInt64 CODEC(ZSTD(1)),
    skipped        UInt64 CODEC(ZSTD(1)),
    rejected       UInt64 CODEC(ZSTD(1)),
    blocked        UInt64 CODEC(ZSTD(1)),
    duration_state AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Nullable(Float64)) CODEC(ZSTD(1)),
    queued_state   AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), Nullable(Float64)) CODEC(ZSTD(1)),
    refreshed_at   DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1))
)
ENGINE = ReplacingMergeTree(refreshed_at)
ORDER BY
    (flow_id, hour, postback_id, host, utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid)
TTL toDateTime(refreshed_at) + toIntervalDay({log_ttl_days});

CREATE MATERIALIZED VIEW IF NOT EXISTS postback_stats_refresh
REFRESH EVERY 15 SECOND APPEND TO postback_stats_hours AS
WITH (SELECT max(refreshed_at) FROM postback_stats_hours) - INTERVAL 5 MINUTE AS counted_until
SELECT
    toStartOfHour(requested_at) AS hour, flow_id, postback_id, host,
    utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid,
    count() AS rows,
    countIf(attempt > 0) AS sends,
    countIf(outcome = 'delivered') AS delivered,
    countIf(outcome = 'retrying') AS retrying,
    countIf(outcome = 'failed') AS failed,
    countIf(outcome = 'parked') AS parked,
    countIf(outcome = 'discarded') AS discarded,
    countIf(outcome = 'skipped') AS skipped,
    countIf(outcome = 'rejected') AS rejected,
    countIf(outcome = 'blocked') AS blocked,
    quantilesTDigestState(0.5, 0.95, 0.99)(duration_ms) AS duration_state,
    quantilesTDigestState(0.5, 0.95, 0.99)(if(attempt > 0, queued_ms, NULL)) AS queued_state,
    now64(3) AS refreshed_at
FROM postback_log FINAL
WHERE (flow_id, toStartOfHour(requested_at)) IN
(
    SELECT flow_id, toStartOfHour(requested_at) FROM postback_log WHERE stored_at > counted_until
)
GROUP BY
    hour, flow_id, postback_id, host, utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid;

CREATE VIEW IF NOT EXISTS postback_stats AS
SELECT
    hour, flow_id, postback_id, host, utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid,
    rows, sends, delivered, retrying, failed, parked, discarded, skipped, rejected, blocked,
    finalizeAggregation(duration_state)[1] AS duration_p50_ms,
    finalizeAggregation(duration_state)[2] AS duration_p95_ms,
    finalizeAggregation(duration_state)[3] AS duration_p99_ms,
    finalizeAggregation(queued_state)[1] AS queued_p50_ms,
    finalizeAggregation(queued_state)[2] AS queued_p95_ms,
    finalizeAggregation(queued_state)[3] AS queued_p99_ms,
    duration_state, queued_state, refreshed_at
FROM postback_stats_hours FINAL;
