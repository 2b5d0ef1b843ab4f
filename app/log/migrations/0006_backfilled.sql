-- backfilled: a backfill made the request, from a lead event that was stored long before.
ALTER TABLE postback_log ADD COLUMN IF NOT EXISTS backfilled Bool CODEC(ZSTD(1)) AFTER replay;
