-- Views for who analyses: leads as they are now, and requests from their event to their end.
--
--   clickhouse-client --database postbacks --multiquery < deploy/clickhouse/views.sql
--
-- They read what LOG writes and keep nothing, so they may be made anew at any time. What to ask them: docs/queries.md.

-- A lead as its events tell it, by its id. The status is that of the event that happened last (a late one moves nothing
-- backwards), everything else what was told last. Events that were rejected for their form are left out.
CREATE OR REPLACE VIEW lead_journeys AS
SELECT
    lead_id,
    argMinIf(flow, at, flow != '') AS flow_id,
    min(at) AS began_at,
    argMaxIf(told_status, (at, offset), told_status != '') AS status,
    minIf(at, told_status = 'approve') AS approved_at, -- 1970-01-01: never
    argMaxIf(told_price, (recorded_at, offset), told_price IS NOT NULL) AS price,
    argMaxIf(told_currency, (recorded_at, offset), told_currency != '') AS currency,
    argMaxIf(told_geo, (recorded_at, offset), told_geo != '') AS geo,
    argMaxIf(tags['utm_source'], (recorded_at, offset), tags['utm_source'] != '') AS utm_source,
    argMaxIf(tags['utm_campaign'], (recorded_at, offset), tags['utm_campaign'] != '') AS utm_campaign,
    argMaxIf(tags['utm_content'], (recorded_at, offset), tags['utm_content'] != '') AS utm_content,
    argMaxIf(tags['utm_term'], (recorded_at, offset), tags['utm_term'] != '') AS utm_term,
    argMaxIf(tags['utm_medium'], (recorded_at, offset), tags['utm_medium'] != '') AS utm_medium,
    argMaxIf(tags['subid'], (recorded_at, offset), tags['subid'] != '') AS subid
FROM
(
    SELECT
        lead_id, offset, recorded_at,
        flow_id AS flow,
        parseDateTime64BestEffortOrNull(JSONExtractString(value, 'occurred_at'), 3, 'UTC') AS told_at,
        if(told_at IS NULL OR told_at > recorded_at + INTERVAL 5 MINUTE, recorded_at, told_at) AS at,
        transform(JSONExtractString(value, 'status'), ['wait'], ['new']) AS told_status,
        JSONExtract(value, 'price', 'Nullable(Decimal(18, 6))') AS told_price,
        JSONExtractString(value, 'currency') AS told_currency,
        JSONExtractString(value, 'click', 'geo') AS told_geo,
        JSONExtract(value, 'tags', 'Map(String, String)') AS tags
    FROM lead_events FINAL
    WHERE isValidJSON(value) AND JSONExtractString(value, 'event_id') != ''
        AND JSONExtractString(value, 'status') IN ('', 'new', 'wait', 'hold', 'approve', 'cancel', 'trash')
)
GROUP BY lead_id
HAVING status != '';

-- A request from its event to its end, each replay by itself. What JOIN skipped is no request; a wait in the log is the
-- time to its last row. `requested_at`, `flow_id` and `request_id` are asked for first: the log is sorted by them.
CREATE OR REPLACE VIEW request_journeys AS
SELECT
    flow_id, requested_at, request_id, replay,
    any(one.lead_id) AS lead_id,
    any(one.postback_id) AS postback_id,
    any(one.event) AS event,
    any(one.host) AS host,
    argMax(one.outcome, place) AS outcome,
    argMax(one.reason, place) AS reason,
    countIf(one.attempt > 0) AS sends,
    minIf(one.logged_at, one.outcome = 'delivered') AS delivered_at, -- 1970-01-01: never
    sum(one.duration_ms) AS duration_ms,
    sumIf(one.duration_ms, one.outcome != 'delivered') AS lost_ms,
    any(one.price) AS price,
    any(one.currency) AS currency,
    any(one.utm_source) AS utm_source,
    any(one.utm_campaign) AS utm_campaign,
    any(one.subid) AS subid
FROM
(
    SELECT *, (logged_at, log_offset, log_index) AS place FROM postback_log FINAL
    WHERE request_id != '' AND NOT (outcome = 'skipped' AND endsWith(source_topic, '.lead-events'))
) AS one
GROUP BY flow_id, requested_at, request_id, replay;
