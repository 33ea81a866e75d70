-- Plans that were seeded before plans had fees and allowances get theirs (spec TS-7). Seeding leaves a plan that exists as it
-- is, because an operator may have changed its ceilings; these columns are new, so nobody has. On a fresh database there is no
-- row yet.
UPDATE "control"."plans" AS p
SET fee_nano_usd = t.fee, rpm_per_account_max = t.rpm, knowledge_bases_max = t.bases, storage_bytes_max = t.bytes, position = t.position
FROM (VALUES
  ('free', 0, NULL::integer, 0, 0::bigint, 0),
  ('pro', 49000000000, 3000, 10, 10000000000, 2),
  ('internal', 0, NULL, NULL, NULL, 4)
) AS t (id, fee, rpm, bases, bytes, position)
WHERE p.id = t.id;
