-- owner: metering. Usage, charges, ledger, rollups, totals, prices, quarantine.
--
-- Dedupe: usage is partitioned by the UTC day inside the request id (UUIDv7). The day is a pure function of the id, so
-- the primary key (usage_day, request_id) is unique for ever, across partitions, and never expires.

CREATE SCHEMA IF NOT EXISTS metering;
CREATE EXTENSION IF NOT EXISTS btree_gist;

GRANT USAGE ON SCHEMA metering TO metering_app, metering_ingest;

-- The UTC day of a UUIDv7: its first 48 bits are Unix milliseconds (RFC 9562 §5.7). Integer arithmetic only: immutable.
CREATE FUNCTION metering.uuid7_day(id uuid) RETURNS date
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN date '1970-01-01' + ((('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint) / 86400000)::integer;

-- One row per admitted call, whatever became of it.
CREATE TABLE metering.usage (
  usage_day         date           NOT NULL,
  request_id        uuid           NOT NULL,
  account_id        uuid           NOT NULL,
  key_id            uuid           NOT NULL,
  model             text           NOT NULL,
  endpoint          text           NOT NULL,
  gateway_id        text           NOT NULL,
  is_stream         boolean        NOT NULL,
  outcome           text           NOT NULL,
  http_status       integer        NOT NULL,
  is_estimated      boolean        NOT NULL,
  admitted_at       timestamptz(3) NOT NULL,
  completed_at      timestamptz(3) NOT NULL,
  recorded_at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  window_index      integer        NOT NULL,
  window_start      timestamptz(3) NOT NULL,
  -- The UTC day by the admission clock (Redis TIME). usage_day comes from the gateway's clock and may differ at midnight.
  billing_day       date           NOT NULL,
  price_version_id  uuid           NOT NULL,
  quantities        jsonb          NOT NULL,
  hold_nano_usd     bigint         NOT NULL CHECK (hold_nano_usd >= 0),
  charge_nano_usd   bigint         NOT NULL CHECK (charge_nano_usd >= 0 AND charge_nano_usd <= hold_nano_usd),
  overrun_nano_usd  bigint         NOT NULL CHECK (overrun_nano_usd >= 0),
  latency_ms        double precision NOT NULL,
  first_byte_ms     double precision,
  attempts          jsonb          NOT NULL,
  payload_hash      bytea          NOT NULL,
  PRIMARY KEY (usage_day, request_id),
  CHECK (usage_day = metering.uuid7_day(request_id))
) PARTITION BY RANGE (usage_day);
CREATE INDEX usage_account_newest ON metering.usage (account_id, request_id DESC);
CREATE INDEX usage_account_key_newest ON metering.usage (account_id, key_id, request_id DESC);

-- Charge lines: one per priced dimension, with the rate that was applied. Never re-priced, never updated.
CREATE TABLE metering.charges (
  usage_day             date           NOT NULL,
  request_id            uuid           NOT NULL,
  line                  smallint       NOT NULL,
  account_id            uuid           NOT NULL,
  dimension             text           NOT NULL,
  quantity              bigint         NOT NULL CHECK (quantity >= 0),
  -- USD per million units.
  unit_price            numeric(38,12) NOT NULL CHECK (unit_price >= 0),
  -- What the customer pays for the line. Below quantity × unit_price only where the hold capped the call.
  amount_nano_usd       bigint         NOT NULL CHECK (amount_nano_usd >= 0),
  price_version_id      uuid           NOT NULL,
  ledger_transaction_id uuid           NOT NULL,
  PRIMARY KEY (usage_day, request_id, line),
  CHECK (usage_day = metering.uuid7_day(request_id))
) PARTITION BY RANGE (usage_day);
CREATE INDEX charges_account ON metering.charges (account_id, request_id);

-- Double entry. One transaction per account and batch; its entries sum to zero.
CREATE TABLE metering.ledger_transactions (
  account_id  uuid           NOT NULL,
  id          uuid           NOT NULL,
  kind        text           NOT NULL CHECK (kind IN ('usage')),
  recorded_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (account_id, id)
);
CREATE TABLE metering.ledger_entries (
  account_id      uuid   NOT NULL,
  transaction_id  uuid   NOT NULL,
  -- receivable: what the account owes us (debit > 0). revenue: what we earned from it (credit < 0).
  ledger_account  text   NOT NULL CHECK (ledger_account IN ('receivable', 'revenue')),
  amount_nano_usd bigint NOT NULL,
  PRIMARY KEY (account_id, transaction_id, ledger_account),
  FOREIGN KEY (account_id, transaction_id) REFERENCES metering.ledger_transactions (account_id, id)
);

CREATE FUNCTION metering.assert_ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT sum(amount_nano_usd) FROM metering.ledger_entries
      WHERE account_id = NEW.account_id AND transaction_id = NEW.transaction_id) <> 0 THEN
    RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.transaction_id;
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON metering.ledger_entries
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION metering.assert_ledger_balanced();

-- Sums that the charts read. Rewritten in the same transaction as the charges they sum.
CREATE TABLE metering.hourly_rollups (
  account_id      uuid        NOT NULL,
  hour            timestamptz(0) NOT NULL,
  key_id          uuid        NOT NULL,
  model           text        NOT NULL,
  requests        bigint      NOT NULL,
  input_tokens    bigint      NOT NULL,
  output_tokens   bigint      NOT NULL,
  charge_nano_usd bigint      NOT NULL,
  PRIMARY KEY (account_id, hour, key_id, model)
) WITH (fillfactor = 70);

-- Absolute, versioned totals per spending scope ("window:<key>:<n>", "day:<date>"): what Redis is rebuilt from.
CREATE TABLE metering.scope_totals (
  account_id     uuid   NOT NULL,
  scope          text   NOT NULL,
  total_nano_usd bigint NOT NULL CHECK (total_nano_usd >= 0),
  version        bigint NOT NULL CHECK (version > 0),
  PRIMARY KEY (account_id, scope)
) WITH (fillfactor = 70);

-- Append-only, effective-dated prices. Two versions of one model can never overlap.
CREATE TABLE metering.price_versions (
  id             uuid           PRIMARY KEY,
  model          text           NOT NULL,
  effective_from timestamptz(3) NOT NULL,
  effective_to   timestamptz(3) CHECK (effective_to > effective_from),
  -- dimension → USD per million units, decimal strings.
  rates          jsonb          NOT NULL,
  created_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  EXCLUDE USING gist (model WITH =, tstzrange(effective_from, effective_to) WITH &&)
);

CREATE FUNCTION metering.refuse_price_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.effective_to IS NULL AND NEW.effective_to IS NOT NULL
     AND (NEW.id, NEW.model, NEW.effective_from, NEW.rates) = (OLD.id, OLD.model, OLD.effective_from, OLD.rates) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'price versions are append-only: an open one may be closed, nothing else';
END $$;
CREATE TRIGGER price_versions_append_only BEFORE UPDATE OR DELETE ON metering.price_versions
  FOR EACH ROW EXECUTE FUNCTION metering.refuse_price_change();

-- What could not be booked: kept whole, alarmed, acknowledged. Holds no account's rows as such: payloads may be garbage.
CREATE TABLE metering.quarantine (
  id              uuid           PRIMARY KEY,
  received_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  stream_sequence bigint         NOT NULL,
  reason          text           NOT NULL,
  detail          text           NOT NULL,
  request_id      text,
  payload         bytea          NOT NULL,
  payload_hash    bytea          NOT NULL,
  -- A redelivered message lands once.
  UNIQUE (payload_hash, reason)
);

-- Row-level security. metering_app reads one account at a time; metering_ingest writes for all; the owner audits.
DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['usage', 'charges', 'ledger_transactions', 'ledger_entries', 'hourly_rollups', 'scope_totals'] LOOP
    EXECUTE format('ALTER TABLE metering.%I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE metering.%I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format($p$CREATE POLICY account_reads ON metering.%I FOR SELECT TO metering_app
      USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid)$p$, name);
    EXECUTE format('CREATE POLICY ingest ON metering.%I FOR ALL TO metering_ingest USING (true) WITH CHECK (true)', name);
    EXECUTE format('CREATE POLICY owner_audits ON metering.%I FOR SELECT TO CURRENT_USER USING (true)', name);
    EXECUTE format('GRANT SELECT ON metering.%I TO metering_app', name);
    EXECUTE format('GRANT SELECT, INSERT ON metering.%I TO metering_ingest', name);
  END LOOP;
END $$;
GRANT UPDATE ON metering.hourly_rollups, metering.scope_totals TO metering_ingest;
GRANT SELECT ON metering.price_versions TO metering_app, metering_ingest;
GRANT SELECT, INSERT ON metering.quarantine TO metering_ingest;

-- Creates the partitions of one UTC day. A partition named directly does not know its parent's policies, so nobody is
-- granted anything on it and it carries row-level security of its own without a policy: rows are reached by the parent only.
CREATE FUNCTION metering.ensure_usage_partitions(day date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = metering, pg_temp AS $$
DECLARE
  parent text;
  partition text;
BEGIN
  IF day < date '2026-01-01' OR day > (now() AT TIME ZONE 'UTC')::date + 60 THEN
    RAISE EXCEPTION 'no partition for %: outside 2026-01-01 and 60 days ahead', day;
  END IF;
  -- Usual case: both exist, nothing is locked. (charges is the last one created.)
  IF to_regclass('metering.charges_' || to_char(day, 'YYYYMMDD')) IS NOT NULL THEN
    RETURN;
  END IF;
  -- Two callers at once would both find it missing and one would fail. The lock is held to the caller's COMMIT.
  PERFORM pg_advisory_xact_lock(hashtext('metering.ensure_usage_partitions'));
  FOREACH parent IN ARRAY ARRAY['usage', 'charges'] LOOP
    partition := parent || '_' || to_char(day, 'YYYYMMDD');
    IF to_regclass('metering.' || partition) IS NULL THEN
      EXECUTE format('CREATE TABLE metering.%I PARTITION OF metering.%I FOR VALUES FROM (%L) TO (%L)', partition, parent, day, day + 1);
      EXECUTE format('ALTER TABLE metering.%I ENABLE ROW LEVEL SECURITY', partition);
      EXECUTE format('ALTER TABLE metering.%I FORCE ROW LEVEL SECURITY', partition);
      EXECUTE format('REVOKE ALL ON metering.%I FROM PUBLIC, metering_app, metering_ingest', partition);
    END IF;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION metering.ensure_usage_partitions(date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION metering.ensure_usage_partitions(date) TO metering_ingest;
