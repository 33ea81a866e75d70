-- owner: metering. To whom calls are attributed (project, tags), how many failed and how long they took: columns, sums and the
-- indexes of the activity's filters.
--
-- A metering of the release before writes none of this: end it before this runs, calls wait in the stream meanwhile.

ALTER TABLE metering.usage ADD COLUMN project_id uuid, ADD COLUMN project_window_index integer, ADD COLUMN tags jsonb;
ALTER TABLE metering.refusals ADD COLUMN project_id uuid, ADD COLUMN tags jsonb;

-- The activity's filters, each newest first. Those of what few calls are cost the others nothing.
CREATE INDEX usage_account_model_newest ON metering.usage (account_id, model, request_id DESC);
CREATE INDEX usage_account_project_newest ON metering.usage (account_id, project_id, request_id DESC) WHERE project_id IS NOT NULL;
CREATE INDEX usage_account_failed_newest ON metering.usage (account_id, request_id DESC)
  WHERE outcome IN ('upstream_error', 'upstream_cut', 'gateway_died');
CREATE INDEX usage_account_estimated_newest ON metering.usage (account_id, request_id DESC) WHERE is_estimated;

-- One row per tag of a call, to find calls by. A table and no index over jsonb: under row-level security PostgreSQL uses an
-- index only for operators that are leakproof, which those of text and uuid are and those of jsonb are not.
CREATE TABLE metering.usage_tags (
  usage_day  date NOT NULL,
  account_id uuid NOT NULL,
  name       text NOT NULL,
  value      text NOT NULL,
  request_id uuid NOT NULL,
  -- In this order, so that a page is read newest first over any days.
  PRIMARY KEY (account_id, name, value, request_id, usage_day),
  CHECK (usage_day = metering.uuid7_day(request_id))
) PARTITION BY RANGE (usage_day);

-- As before, and partitions of usage_tags. charges stays the last one created: it tells that a day is complete.
CREATE OR REPLACE FUNCTION metering.ensure_usage_partitions(day date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = metering, pg_temp AS $$
DECLARE
  parent text;
  partition text;
BEGIN
  IF day < date '2026-01-01' OR day > (now() AT TIME ZONE 'UTC')::date + 60 THEN
    RAISE EXCEPTION 'no partition for %: outside 2026-01-01 and 60 days ahead', day;
  END IF;
  IF to_regclass('metering.charges_' || to_char(day, 'YYYYMMDD')) IS NOT NULL THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('metering.ensure_usage_partitions'));
  FOREACH parent IN ARRAY ARRAY['usage', 'usage_tags', 'charges'] LOOP
    partition := parent || '_' || to_char(day, 'YYYYMMDD');
    IF to_regclass('metering.' || partition) IS NULL THEN
      EXECUTE format('CREATE TABLE metering.%I PARTITION OF metering.%I FOR VALUES FROM (%L) TO (%L)', partition, parent, day, day + 1);
      EXECUTE format('ALTER TABLE metering.%I ENABLE ROW LEVEL SECURITY', partition);
      EXECUTE format('ALTER TABLE metering.%I FORCE ROW LEVEL SECURITY', partition);
      EXECUTE format('REVOKE ALL ON metering.%I FROM PUBLIC, metering_app, metering_ingest', partition);
    END IF;
  END LOOP;
END $$;

-- Days that have partitions already.
DO $$
DECLARE
  day date;
  partition text;
BEGIN
  FOR day IN
    SELECT to_date(right(c.relname, 8), 'YYYYMMDD') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'metering.usage'::regclass
  LOOP
    partition := 'usage_tags_' || to_char(day, 'YYYYMMDD');
    EXECUTE format('CREATE TABLE metering.%I PARTITION OF metering.usage_tags FOR VALUES FROM (%L) TO (%L)', partition, day, day + 1);
    EXECUTE format('ALTER TABLE metering.%I ENABLE ROW LEVEL SECURITY', partition);
    EXECUTE format('ALTER TABLE metering.%I FORCE ROW LEVEL SECURITY', partition);
    EXECUTE format('REVOKE ALL ON metering.%I FROM PUBLIC, metering_app, metering_ingest', partition);
  END LOOP;
END $$;

-- Sums by what a call is attributed to: dimension 'project' (value: its id) or 'tag:<name>' (value: the tag's). Rows are written
-- for calls that have a project or tags, and a call counts once in each of its dimensions.
CREATE TABLE metering.attribution_rollups (
  account_id      uuid           NOT NULL,
  dimension       text           NOT NULL,
  hour            timestamptz(0) NOT NULL,
  value           text           NOT NULL,
  requests        bigint         NOT NULL,
  failed          bigint         NOT NULL,
  input_tokens    bigint         NOT NULL,
  output_tokens   bigint         NOT NULL,
  charge_nano_usd bigint         NOT NULL,
  PRIMARY KEY (account_id, dimension, hour, value)
) WITH (fillfactor = 70);

-- Sums by model, with how long calls took: latency_00 … latency_63 and first_byte_00 … first_byte_63 count calls by bucket
-- (packages/kernel/src/latency-histogram.ts). Columns and no array: they are summed by the thousand.
CREATE TABLE metering.model_rollups (
  account_id      uuid           NOT NULL,
  hour            timestamptz(0) NOT NULL,
  model           text           NOT NULL,
  requests        bigint         NOT NULL,
  failed          bigint         NOT NULL,
  input_tokens    bigint         NOT NULL,
  output_tokens   bigint         NOT NULL,
  charge_nano_usd bigint         NOT NULL,
  PRIMARY KEY (account_id, hour, model)
) WITH (fillfactor = 70);

-- Calls of the hour that failed, whoever is to blame.
ALTER TABLE metering.hourly_rollups ADD COLUMN failed bigint NOT NULL DEFAULT 0;
-- Of key windows: the latest admission that is booked.
ALTER TABLE metering.scope_totals ADD COLUMN last_at timestamptz(3);

-- What is booked already. The owner may write these for as long as row-level security is not forced on it.
ALTER TABLE metering.hourly_rollups NO FORCE ROW LEVEL SECURITY;
ALTER TABLE metering.scope_totals NO FORCE ROW LEVEL SECURITY;

UPDATE metering.hourly_rollups r SET failed = u.failed
FROM (SELECT account_id, date_trunc('hour', admitted_at, 'UTC') AS hour, key_id, model, count(*) AS failed FROM metering.usage
  WHERE outcome IN ('upstream_error', 'upstream_cut', 'gateway_died') GROUP BY 1, 2, 3, 4) u
WHERE (r.account_id, r.hour, r.key_id, r.model) = (u.account_id, u.hour, u.key_id, u.model);

UPDATE metering.scope_totals s SET last_at = u.last_at
FROM (SELECT account_id, 'window:' || key_id || ':' || window_index AS scope, max(admitted_at) AS last_at
  FROM metering.usage GROUP BY 1, 2) u
WHERE (s.account_id, s.scope) = (u.account_id, u.scope);

DO $$
DECLARE
  bounds CONSTANT text := 'ARRAY[8, 9.514, 11.314, 13.454, 16, 19.027, 22.627, 26.909, 32, 38.055, 45.255, 53.817, 64, 76.109, 90.51, 107.635, 128, 152.219, 181.019, 215.269, 256, 304.437, 362.039, 430.539, 512, 608.874, 724.077, 861.078, 1024, 1217.748, 1448.155, 1722.156, 2048, 2435.496, 2896.309, 3444.312, 4096, 4870.992, 5792.619, 6888.623, 8192, 9741.985, 11585.238, 13777.247, 16384, 19483.969, 23170.475, 27554.494, 32768, 38967.939, 46340.95, 55108.987, 65536, 77935.877, 92681.9, 110217.975, 131072, 155871.755, 185363.8, 220435.95, 262144, 311743.51, 370727.6]::float8[]';
  columns text;
  counts text;
BEGIN
  SELECT string_agg(format('%s_%s', measure, to_char(bucket, 'FM00')), ', ' ORDER BY measure DESC, bucket),
    string_agg(format('count(*) FILTER (WHERE width_bucket(%s_ms, %s) = %s)', measure, bounds, bucket), ', ' ORDER BY measure DESC, bucket)
  INTO columns, counts
  FROM unnest(ARRAY['latency', 'first_byte']) AS measure, generate_series(0, 63) AS bucket;
  EXECUTE 'ALTER TABLE metering.model_rollups ADD COLUMN ' || replace(columns, ',', ' integer NOT NULL DEFAULT 0, ADD COLUMN')
    || ' integer NOT NULL DEFAULT 0';
  IF EXISTS (SELECT FROM metering.hourly_rollups) THEN
    EXECUTE format('INSERT INTO metering.model_rollups (account_id, hour, model, requests, failed, input_tokens, output_tokens, charge_nano_usd, %s)
      SELECT account_id, hour, model, r.requests, r.failed, r.input_tokens, r.output_tokens, r.charge_nano_usd, %s
      FROM (SELECT account_id, hour, model, sum(requests) AS requests, sum(failed) AS failed, sum(input_tokens) AS input_tokens,
          sum(output_tokens) AS output_tokens, sum(charge_nano_usd) AS charge_nano_usd FROM metering.hourly_rollups GROUP BY 1, 2, 3) r
      JOIN (SELECT account_id, date_trunc(''hour'', admitted_at, ''UTC'') AS hour, model, latency_ms, first_byte_ms FROM metering.usage) u
        USING (account_id, hour, model)
      GROUP BY account_id, hour, model, r.requests, r.failed, r.input_tokens, r.output_tokens, r.charge_nano_usd', columns, counts);
  END IF;
END $$;

ALTER TABLE metering.hourly_rollups FORCE ROW LEVEL SECURITY;
ALTER TABLE metering.scope_totals FORCE ROW LEVEL SECURITY;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['usage_tags', 'attribution_rollups', 'model_rollups'] LOOP
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
GRANT UPDATE ON metering.attribution_rollups, metering.model_rollups TO metering_ingest;
