-- owner: metering. Names of tags that an account has sums of its own for. There is a bound on them, and whoever names tags by the
-- thousand fills a table of this size and no disk; a name whose last sums have gone makes room for another.

CREATE TABLE metering.tag_names (
  account_id uuid           NOT NULL,
  -- '(other)', which no tag is named: the account has had more names than it may, and has sums of those others.
  name       text           NOT NULL,
  -- Calls of earlier hours count among the others, and so does what corrects them. -infinity until there are others.
  since      timestamptz(0) NOT NULL,
  PRIMARY KEY (account_id, name)
);

-- Those that have sums already, found by jumping from one dimension to the next: there are few of them, each with many hours.
INSERT INTO metering.tag_names (account_id, name, since)
WITH RECURSIVE found AS (
  (SELECT account_id, dimension FROM metering.attribution_rollups ORDER BY 1, 2 LIMIT 1)
  UNION ALL
  SELECT next.account_id, next.dimension FROM found CROSS JOIN LATERAL (
    SELECT r.account_id, r.dimension FROM metering.attribution_rollups r
    WHERE (r.account_id, r.dimension) > (found.account_id, found.dimension) ORDER BY 1, 2 LIMIT 1) next
)
SELECT account_id, substr(dimension, length('tag:') + 1), '-infinity' FROM found WHERE dimension LIKE 'tag:%';

ALTER TABLE metering.tag_names ENABLE ROW LEVEL SECURITY;
ALTER TABLE metering.tag_names FORCE ROW LEVEL SECURITY;
CREATE POLICY account_reads ON metering.tag_names FOR SELECT TO metering_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY ingest ON metering.tag_names FOR ALL TO metering_ingest USING (true) WITH CHECK (true);
CREATE POLICY owner_audits ON metering.tag_names FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT ON metering.tag_names TO metering_app;
GRANT SELECT, INSERT, DELETE ON metering.tag_names TO metering_ingest;

-- Sums of tags go after 800 days (apps/metering/src/rollups/tag-retention.rules.ts). Whatever the service asks for, by the database's
-- own clock nothing else can be deleted; of one that is a day ahead, nothing that the audit still compares.
GRANT DELETE ON metering.attribution_rollups TO metering_ingest;
CREATE POLICY old_tags_go ON metering.attribution_rollups AS RESTRICTIVE FOR DELETE TO metering_ingest
  USING (dimension LIKE 'tag:%' AND hour < now() - interval '799 days');
