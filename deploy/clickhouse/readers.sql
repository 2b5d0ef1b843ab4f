-- Who may read what: analysts all, a buyer only their own flows. Run it as a user with access management. A test reads
-- its syntax and does not run it: the embedded engine has neither users nor row policies.
--
--   clickhouse-client --database postbacks --multiquery < deploy/clickhouse/readers.sql
--
-- Set passwords of your own. A reader that sees the tables sees names, phones and e-mails in them (docs/privacy.md):
-- `buyers` is granted no column that holds one.
CREATE ROLE IF NOT EXISTS analysts;
GRANT SELECT ON postbacks.* TO analysts;

CREATE ROLE IF NOT EXISTS buyers;
GRANT SELECT(
    logged_at, requested_at, request_id, attempt, attempts, replay, lead_id, flow_id, postback_id, event, outcome,
    verdict, host, response_status, duration_ms, queued_ms, next_attempt_at, price, currency, geo,
    utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid
) ON postbacks.postback_log TO buyers;
GRANT SELECT ON postbacks.postback_stats TO buyers;
GRANT SELECT ON postbacks.postback_stats_hours TO buyers;

-- A question may take 30 s and 4 GiB and changes nothing.
CREATE SETTINGS PROFILE IF NOT EXISTS readers
    SETTINGS readonly = 1, max_execution_time = 30, max_memory_usage = 4294967296 TO analysts, buyers;

CREATE USER IF NOT EXISTS analyst IDENTIFIED WITH sha256_password BY 'change-me' DEFAULT ROLE analysts;
CREATE USER IF NOT EXISTS buyer_7 IDENTIFIED WITH sha256_password BY 'change-me' DEFAULT ROLE buyers;
GRANT analysts TO analyst;
GRANT buyers TO buyer_7;

-- A row policy hides rows from those that it names only: the second one lets everybody else see all of them.
CREATE ROW POLICY IF NOT EXISTS flows_of_buyer_7 ON postbacks.postback_log, postbacks.postback_stats_hours
    FOR SELECT USING flow_id IN ('F-7', 'F-8') TO buyer_7;
CREATE ROW POLICY IF NOT EXISTS all_flows ON postbacks.postback_log, postbacks.postback_stats_hours
    FOR SELECT USING 1 TO ALL EXCEPT buyer_7;
