-- owner: metering. Calls that were not admitted, as gateways report them: best effort, for people to look at, outside the
-- audit. Kept for a limited time, because nothing is owed for them.
CREATE TABLE metering.refusals (
  account_id  uuid           NOT NULL,
  -- Of the last refusal that the row stands for.
  request_id  uuid           NOT NULL,
  key_id      uuid           NOT NULL,
  model       text           NOT NULL,
  endpoint    text           NOT NULL,
  code        text           NOT NULL,
  http_status integer        NOT NULL,
  count       integer        NOT NULL CHECK (count > 0),
  first_at    timestamptz(3) NOT NULL,
  last_at     timestamptz(3) NOT NULL,
  gateway_id  text           NOT NULL,
  recorded_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (account_id, request_id)
);
-- What is too old is removed by this order.
CREATE INDEX refusals_recorded ON metering.refusals (recorded_at);

ALTER TABLE metering.refusals ENABLE ROW LEVEL SECURITY;
ALTER TABLE metering.refusals FORCE ROW LEVEL SECURITY;
CREATE POLICY account_reads ON metering.refusals FOR SELECT TO metering_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY ingest ON metering.refusals FOR ALL TO metering_ingest USING (true) WITH CHECK (true);
CREATE POLICY owner_audits ON metering.refusals FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT ON metering.refusals TO metering_app;
GRANT SELECT, INSERT, DELETE ON metering.refusals TO metering_ingest;
