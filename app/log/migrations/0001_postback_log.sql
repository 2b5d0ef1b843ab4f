-- postback_log: one row for each attempt, skip and rejection; what "Logs, outgoing postbacks" shows.
--
-- Key. In a ReplacingMergeTree the sorting key is the identity of a row, so it holds nothing that a repeat
-- of the same record would change: requested_at is the Kafka timestamp of the lead event's record, logged_at
-- is not in it. Each sending has a random attempt_id, so two real sendings are two rows; a row without a
-- sending has a hash of what it is about. It begins with what people ask for (a flow, a time); the primary
-- index ends there, as the random ids behind it would only fill memory.
--
-- Partitions: the month of requested_at. It never changes for a row, so a repeat meets the row it repeats,
-- and FINAL works within a partition (do_not_merge_across_partitions_select_final).
--
-- TTL by logged_at: a lead event with an old timestamp still has its row for the whole time.
--
-- Codecs. ZSTD(1) for short texts, ZSTD(3) for bodies, which are most of the bytes and read one at a time.
-- Delta before ZSTD for times and offsets, which nearly ascend within a flow. LowCardinality where a day has
-- few values. Prices are exact to a millionth; one that does not fit (10^12 and more) is null, the link and
-- body show what was sent.
--
-- Skip indexes: Bloom filters for ids that are asked for alone (one in a hundred granules is read in vain);
-- minmax for logged_at, which follows requested_at closely, for stored_at, by which the statistics find what
-- is new, and for log_offset, by which LOG finds where it was.
--
-- request_*: the address of the record the row comes from, in source_topic: the request of an attempt, the
-- lead event of a skip or rejection. log_*: the address of the log record. attempts: sends so far.
-- stored_at is ClickHouse's own time of the insert.
--
-- The window lets a deduplication token of an insert be remembered for that many inserts.
CREATE TABLE IF NOT EXISTS postback_log
(
    logged_at         DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    requested_at      DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    request_id        String CODEC(ZSTD(1)),
    attempt           UInt32 CODEC(ZSTD(1)),
    attempt_id        String CODEC(ZSTD(1)),
    attempts          UInt32 CODEC(ZSTD(1)),
    replay            UInt32 CODEC(ZSTD(1)),
    event_id          String CODEC(ZSTD(1)),
    lead_id           String CODEC(ZSTD(1)),
    lead_seq          UInt64 CODEC(ZSTD(1)),
    lead_flow_id      LowCardinality(String) CODEC(ZSTD(1)),
    click_id          String CODEC(ZSTD(1)),
    flow_id           LowCardinality(String) CODEC(ZSTD(1)),
    flow_version      Int64 CODEC(ZSTD(1)),
    postback_id       LowCardinality(String) CODEC(ZSTD(1)),
    event             LowCardinality(String) CODEC(ZSTD(1)),
    outcome           LowCardinality(String) CODEC(ZSTD(1)),
    reason            String CODEC(ZSTD(1)),
    verdict           LowCardinality(String) CODEC(ZSTD(1)),
    rule              LowCardinality(String) CODEC(ZSTD(1)),
    method            LowCardinality(String) CODEC(ZSTD(1)),
    host              LowCardinality(String) CODEC(ZSTD(1)),
    url               String CODEC(ZSTD(3)),
    request_headers   Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    request_body      String CODEC(ZSTD(3)),
    response_status   Nullable(UInt16) CODEC(ZSTD(1)),
    response_headers  Map(LowCardinality(String), String) CODEC(ZSTD(3)),
    response_body     String CODEC(ZSTD(3)),
    error             String CODEC(ZSTD(1)),
    duration_ms       Nullable(Float64) CODEC(ZSTD(1)),
    queued_ms         Nullable(Float64) CODEC(ZSTD(1)),
    next_attempt_at   Nullable(DateTime64(3, 'UTC')) CODEC(ZSTD(1)),
    price             Nullable(Decimal(18, 6)) CODEC(ZSTD(1)),
    currency          LowCardinality(String) CODEC(ZSTD(1)),
    geo               LowCardinality(String) CODEC(ZSTD(1)),
    utm_source        LowCardinality(String) CODEC(ZSTD(1)),
    utm_campaign      LowCardinality(String) CODEC(ZSTD(1)),
    utm_content       String CODEC(ZSTD(1)),
    utm_term          String CODEC(ZSTD(1)),
    utm_medium        LowCardinality(String) CODEC(ZSTD(1)),
    subid             String CODEC(ZSTD(1)),
    worker            LowCardinality(String) CODEC(ZSTD(1)),
    source_topic      LowCardinality(String) CODEC(ZSTD(1)),
    request_partition UInt32 CODEC(ZSTD(1)),
    request_offset    Int64 CODEC(Delta, ZSTD(1)),
    request_index     UInt32 CODEC(ZSTD(1)),
    log_partition     UInt32 CODEC(ZSTD(1)),
    log_offset        Int64 CODEC(Delta, ZSTD(1)),
    log_index         UInt32 CODEC(ZSTD(1)),
    stored_at         DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),

    INDEX lead_id_bloom lead_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX click_id_bloom click_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX request_id_bloom request_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX attempt_id_bloom attempt_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX host_bloom host TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX logged_at_minmax logged_at TYPE minmax GRANULARITY 1,
    INDEX stored_at_minmax stored_at TYPE minmax GRANULARITY 1,
    INDEX log_offset_minmax log_offset TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(requested_at)
PRIMARY KEY (flow_id, requested_at)
ORDER BY (flow_id, requested_at, request_id, attempt, attempt_id)
TTL toDateTime(logged_at) + toIntervalDay({log_ttl_days})
SETTINGS non_replicated_deduplication_window = 10000;
