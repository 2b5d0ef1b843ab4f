-- An outbox in PostgreSQL: a lead and what happened to it are written in one transaction, so that no change is
-- without its event and no event without its change. Debezium reads the table from the log of the database and
-- writes each row to lead-events (debezium.json); the rows themselves may be deleted at once.
--
--   BEGIN;
--   UPDATE leads SET status = 'approve' WHERE id = 'L-1001';
--   INSERT INTO lead_outbox (lead_id, payload) VALUES ('L-1001', '{"status": "approve", "price": 12.5}');
--   COMMIT;
CREATE TABLE lead_outbox
(
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    aggregatetype text NOT NULL DEFAULT 'lead-events', -- the topic without its prefix
    lead_id       text NOT NULL CHECK (lead_id !~ '^\s*$'), -- the record's key
    payload       jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    traceparent   text -- a header of the record, where the writer traces
);

-- The ids of the event are those of the row: made once, with the change, so that nothing sent twice is another event.
CREATE FUNCTION lead_outbox_ids() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.payload := NEW.payload || jsonb_build_object('event_id', NEW.id, 'lead_id', NEW.lead_id,
        'occurred_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
    RETURN NEW;
END $$;

CREATE TRIGGER lead_outbox_ids BEFORE INSERT ON lead_outbox FOR EACH ROW EXECUTE FUNCTION lead_outbox_ids();
