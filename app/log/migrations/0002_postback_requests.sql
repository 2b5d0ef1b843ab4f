-- postback_requests: one row for each request, its newest state and its number of attempts.
--
-- Fed by a view from each block that enters postback_log. The newest row of a request wins by logged_at; of
-- two in one millisecond the one stored last, which is the later one in postback-log, where all of a request
-- lie in one partition. A row that repeats an old state has an old logged_at and changes nothing.
--
-- A skip that JOIN wrote is about a lead event and made no request (for `unchanged` it may name an earlier
-- one): it is left out here. Everything else with a request_id is a state: also a skip by OUTBOUND
-- (superseded, dry run) and a request that could not be rendered.
--
-- requested_at is constant for a request, so its rows meet in one partition and FINAL stays local.
CREATE TABLE IF NOT EXISTS postback_requests
(
    requested_at    DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    logged_at       DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    request_id      String CODEC(ZSTD(1)),
    lead_id         String CODEC(ZSTD(1)),
    lead_seq        UInt64 CODEC(ZSTD(1)),
    lead_flow_id    LowCardinality(String) CODEC(ZSTD(1)),
    event_id        String CODEC(ZSTD(1)),
    click_id        String CODEC(ZSTD(1)),
    flow_id         LowCardinality(String) CODEC(ZSTD(1)),
    flow_version    Int64 CODEC(ZSTD(1)),
    postback_id     LowCardinality(String) CODEC(ZSTD(1)),
    event           LowCardinality(String) CODEC(ZSTD(1)),
    outcome         LowCardinality(String) CODEC(ZSTD(1)),
    reason          String CODEC(ZSTD(1)),
    verdict         LowCardinality(String) CODEC(ZSTD(1)),
    attempts        UInt32 CODEC(ZSTD(1)),
    replay          UInt32 CODEC(ZSTD(1)),
    method          LowCardinality(String) CODEC(ZSTD(1)),
    host            LowCardinality(String) CODEC(ZSTD(1)),
    url             String CODEC(ZSTD(3)),
    response_status Nullable(UInt16) CODEC(ZSTD(1)),
    error           String CODEC(ZSTD(1)),
    next_attempt_at Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    price           Nullable(Decimal(18, 6)) CODEC(ZSTD(1)),
    currency        LowCardinality(String) CODEC(ZSTD(1)),
    geo             LowCardinality(String) CODEC(ZSTD(1)),
    utm_source      LowCardinality(String) CODEC(ZSTD(1)),
    utm_campaign    LowCardinality(String) CODEC(ZSTD(1)),
    utm_content     String CODEC(ZSTD(1)),
    utm_term        String CODEC(ZSTD(1)),
    utm_medium      LowCardinality(String) CODEC(ZSTD(1)),
    subid           String CODEC(ZSTD(1)),

    INDEX lead_id_bloom lead_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX request_id_bloom request_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX host_bloom host TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree(logged_at)
PARTITION BY toYYYYMM(requested_at)
PRIMARY KEY (flow_id, requested_at)
ORDER BY (flow_id, requested_at, request_id)
TTL toDateTime(logged_at) + toIntervalDay({log_ttl_days})
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS postback_requests_from_log TO postback_requests AS
SELECT
    requested_at, logged_at, request_id, lead_id, lead_seq, lead_flow_id, event_id, click_id, flow_id,
    flow_version, postback_id, event, outcome, reason, verdict, attempts, replay, method, host, url,
    response_status, error, next_attempt_at, price, currency, geo,
    utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid
FROM postback_log
WHERE request_id != '' AND NOT (outcome = 'skipped' AND endsWith(source_topic, '.lead-events'));
