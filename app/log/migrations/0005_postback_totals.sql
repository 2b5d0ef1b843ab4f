-- postback_totals: the counts of postback_stats without the tags, for what asks for no tag.
--
-- A subid or a content is often another one for each click, and then the statistics by tags have nearly as many
-- rows as the log. An overview of a day adds up some thousand rows here instead of millions.
--
-- Counted as postback_stats is (0003): from deduplicated rows, whole hours again, the newest count wins.
CREATE TABLE IF NOT EXISTS postback_totals_hours
(
    hour           DateTime('UTC') CODEC(Delta, ZSTD(1)),
    flow_id        LowCardinality(String) CODEC(ZSTD(1)),
    postback_id    LowCardinality(String) CODEC(ZSTD(1)),
    host           LowCardinality(String) CODEC(ZSTD(1)),
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
    (flow_id, hour, postback_id, host)
TTL toDateTime(refreshed_at) + toIntervalDay({log_ttl_days});

CREATE MATERIALIZED VIEW IF NOT EXISTS postback_totals_refresh
REFRESH EVERY 15 SECOND APPEND TO postback_totals_hours AS
WITH (SELECT max(refreshed_at) FROM postback_totals_hours) - INTERVAL 5 MINUTE AS counted_until
SELECT
    toStartOfHour(requested_at) AS hour, flow_id, postback_id, host,
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
    hour, flow_id, postback_id, host;

CREATE VIEW IF NOT EXISTS postback_totals AS
SELECT
    hour, flow_id, postback_id, host,
    rows, sends, delivered, retrying, failed, parked, discarded, skipped, rejected, blocked,
    finalizeAggregation(duration_state)[1] AS duration_p50_ms,
    finalizeAggregation(duration_state)[2] AS duration_p95_ms,
    finalizeAggregation(duration_state)[3] AS duration_p99_ms,
    finalizeAggregation(queued_state)[1] AS queued_p50_ms,
    finalizeAggregation(queued_state)[2] AS queued_p95_ms,
    finalizeAggregation(queued_state)[3] AS queued_p99_ms,
    duration_state, queued_state, refreshed_at
FROM postback_totals_hours FINAL;
