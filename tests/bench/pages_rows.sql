-- A million rows as an installation of forty flows has them in a week; {rows} and {first} are filled in.
INSERT INTO postback_log
(
    logged_at, requested_at, request_id, attempt, attempt_id, attempts, event_id, lead_id, lead_seq, lead_flow_id,
    click_id, flow_id, flow_version, postback_id, event, outcome, reason, verdict, method, host, url,
    request_headers, request_body, response_status, response_headers, response_body, error, duration_ms, queued_ms,
    price, currency, geo, utm_source, utm_campaign, utm_content, utm_term, utm_medium, subid, worker, source_topic,
    request_partition, request_offset, log_partition, log_offset, log_index
)
WITH
    toUnixTimestamp64Milli(now64(3)) - 7 * 86400000 + intDiv(number * 7 * 86400000, {rows:UInt64}) AS ms,
    cityHash64(number) AS h,
    lower(hex(h)) AS word,
    h % 10 = 3 AS is_skip
SELECT
    fromUnixTimestamp64Milli(toInt64(ms), 'UTC'), fromUnixTimestamp64Milli(toInt64(ms) - 40, 'UTC'),
    lower(hex(sipHash128(number))), if(is_skip, 0, 1), lower(hex(sipHash128(number, 1))), 1,
    concat('e-', toString(number)), concat('L-', toString(intDiv(number, 4))), 1, concat('F-', toString(h % 40)),
    concat('c-', word), concat('F-', toString(h % 40)), 1, ['fb', 'tracker', 'tg'][h % 3 + 1],
    ['new', 'hold', 'approve', 'cancel', 'goal:1'][h % 5 + 1],
    multiIf(is_skip, 'skipped', h % 29 = 5, 'failed', h % 17 = 2, 'retrying', 'delivered'),
    multiIf(is_skip, 'condition: geo', h % 29 = 5, 'status 404', ''), if(is_skip, '', 'ok'), 'POST',
    if(is_skip, '', concat('h', toString(h % 60), '.example')),
    concat('https://h', toString(h % 60), '.example/postback?click=', word, '&sub=', toString(number)),
    map('Content-Type', 'application/json'),
    concat('{"click":"', word, '","name":"Name ', toString(h % 1000), '","payout":', toString(h % 100), '}'),
    multiIf(is_skip, NULL, h % 29 = 5, 404, h % 17 = 2, 503, 200),
    map('Server', 'nginx', 'Content-Type', 'application/json'),
    concat('{"ok":true,"id":"', lower(hex(cityHash64(number, 2))), '","said":"accepted ', toString(h % 77), '"}'),
    if(h % 17 = 2, 'no answer within 10 s', ''), h % 400, 10 + h % 50, h % 100, 'usd', 'UA',
    ['fb', 'google', 'tiktok'][h % 3 + 1], concat('campaign ', toString(h % 50)),
    concat('content ', toString(h % 300)), concat('term ', toString(h % 200)), 'cpc', concat('s', word), 'w1',
    'postbacks.postback-requests', h % 12, number, h % 12, intDiv(number, 3), number % 3
FROM numbers({first:UInt64}, {count:UInt64})
