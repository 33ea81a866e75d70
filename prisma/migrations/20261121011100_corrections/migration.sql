-- owner: metering. A call that was booked as an estimate because its gateway had died, and whose true end arrived afterwards.
--
-- Its usage row then says how the call truly ended. Its charge lines stay as they were and further ones follow, one for each
-- dimension in which the truth differs; together with the first they are the call as if it had been charged right at once.
-- What is added is never below nothing in sum: what was charged as delivered stays charged.

-- What the estimate had said. The primary key allows one correction for a call, for ever.
CREATE TABLE metering.corrections (
  usage_day               date           NOT NULL,
  request_id              uuid           NOT NULL,
  account_id              uuid           NOT NULL,
  recorded_at             timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  estimated_quantities    jsonb          NOT NULL,
  estimated_nano_usd      bigint         NOT NULL CHECK (estimated_nano_usd >= 0),
  estimated_payload_hash  bytea          NOT NULL,
  corrected_nano_usd      bigint         NOT NULL,
  PRIMARY KEY (usage_day, request_id),
  CHECK (usage_day = metering.uuid7_day(request_id)),
  CHECK (corrected_nano_usd >= estimated_nano_usd)
);

-- Of a correction a line may be negative: the estimate had counted tokens as fresh input that were read from a cache.
ALTER TABLE metering.charges ADD COLUMN is_correction boolean NOT NULL DEFAULT false;
ALTER TABLE metering.charges DROP CONSTRAINT charges_quantity_check, DROP CONSTRAINT charges_amount_nano_usd_check,
  ADD CONSTRAINT charges_quantity_check CHECK (quantity >= 0 OR is_correction),
  ADD CONSTRAINT charges_amount_nano_usd_check CHECK (amount_nano_usd >= 0 OR is_correction);

-- How the call ended, and nothing that was frozen at its admission.
GRANT UPDATE (outcome, http_status, is_estimated, completed_at, quantities, charge_nano_usd, overrun_nano_usd, latency_ms,
  first_byte_ms, attempts, payload_hash) ON metering.usage TO metering_ingest;

ALTER TABLE metering.corrections ENABLE ROW LEVEL SECURITY;
ALTER TABLE metering.corrections FORCE ROW LEVEL SECURITY;
CREATE POLICY account_reads ON metering.corrections FOR SELECT TO metering_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY ingest ON metering.corrections FOR ALL TO metering_ingest USING (true) WITH CHECK (true);
CREATE POLICY owner_audits ON metering.corrections FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT ON metering.corrections TO metering_app;
GRANT SELECT, INSERT ON metering.corrections TO metering_ingest;
