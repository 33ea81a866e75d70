-- owner: metering. Sums by the day of UTC beside those by the hour: what a month's summary reads is then up to 24 times fewer rows.
--
-- A metering of the release before writes none of this: end it before this runs, calls wait in the stream meanwhile.

CREATE TABLE metering.daily_rollups (
  account_id      uuid   NOT NULL,
  -- Of the admission, as the billing day is.
  day             date   NOT NULL,
  key_id          uuid   NOT NULL,
  model           text   NOT NULL,
  requests        bigint NOT NULL,
  failed          bigint NOT NULL,
  input_tokens    bigint NOT NULL,
  output_tokens   bigint NOT NULL,
  charge_nano_usd bigint NOT NULL,
  PRIMARY KEY (account_id, day, key_id, model)
) WITH (fillfactor = 70);

-- What is booked already. The owner may read all hours: it audits them.
INSERT INTO metering.daily_rollups (account_id, day, key_id, model, requests, failed, input_tokens, output_tokens, charge_nano_usd)
  SELECT account_id, (hour AT TIME ZONE 'UTC')::date, key_id, model, sum(requests), sum(failed), sum(input_tokens),
    sum(output_tokens), sum(charge_nano_usd)
  FROM metering.hourly_rollups GROUP BY 1, 2, 3, 4;

ALTER TABLE metering.daily_rollups ENABLE ROW LEVEL SECURITY;
ALTER TABLE metering.daily_rollups FORCE ROW LEVEL SECURITY;
CREATE POLICY account_reads ON metering.daily_rollups FOR SELECT TO metering_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY ingest ON metering.daily_rollups FOR ALL TO metering_ingest USING (true) WITH CHECK (true);
CREATE POLICY owner_audits ON metering.daily_rollups FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT ON metering.daily_rollups TO metering_app;
GRANT SELECT, INSERT, UPDATE ON metering.daily_rollups TO metering_ingest;
