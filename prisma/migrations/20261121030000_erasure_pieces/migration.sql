-- AlterTable
ALTER TABLE "control"."account_erasures" ADD COLUMN     "pieces" INTEGER NOT NULL DEFAULT 0;

-- From here on by hand: what the models cannot say.
ALTER TABLE "control"."account_erasures" ADD CHECK (pieces >= 0);

-- As before, and it counts its pieces, each in the transaction of the piece: operators see whether an erasure goes on. Deletions
-- that are under way while this is applied count from here on.
CREATE OR REPLACE FUNCTION "control".erase_account(p_account_id uuid, p_rows_max integer) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  progress "control"."account_erasures";
  people uuid[];
  erased jsonb;
  done integer;
  last_key uuid;
BEGIN
  PERFORM FROM "control"."accounts" WHERE id = p_account_id AND delete_after <= now() AND erased_at IS NULL FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN 'none';
  END IF;
  INSERT INTO "control"."account_erasures" (account_id, pieces) VALUES (p_account_id, 1)
    ON CONFLICT (account_id) DO UPDATE SET worked_at = now(), failures = 0, last_error = '', next_attempt_at = NULL,
      pieces = account_erasures.pieces + 1
    RETURNING * INTO progress;

  WITH left_behind AS (DELETE FROM "control"."memberships" WHERE account_id = p_account_id RETURNING user_id)
    SELECT coalesce(array_agg(user_id), '{}') INTO people FROM left_behind;
  IF cardinality(people) > 0 THEN
    SELECT coalesce(array_agg(p), '{}') INTO people FROM unnest(people) AS p
      WHERE NOT EXISTS (SELECT FROM "control"."memberships" WHERE user_id = p AND account_id <> p_account_id)
        AND NOT EXISTS (SELECT FROM "control"."operators" WHERE user_id = p);
    DELETE FROM "control"."identities" WHERE user_id = ANY (people);
    DELETE FROM "control"."mail_tokens" WHERE user_id = ANY (people);
    DELETE FROM "control"."sessions" WHERE user_id = ANY (people);
    DELETE FROM "control"."users" WHERE id = ANY (people);
    UPDATE "control"."account_erasures" SET people_erased = people_erased + cardinality(people) WHERE account_id = p_account_id;
    RETURN 'more';
  END IF;

  -- Nothing is minted while a deletion is under way, so no key comes in behind the last one.
  WITH piece AS (
    SELECT id, revoked_at IS NULL AS is_active FROM "control"."keys"
    WHERE account_id = p_account_id AND (progress.keys_after IS NULL OR id > progress.keys_after) ORDER BY id LIMIT p_rows_max
  ), announced AS (
    INSERT INTO "control"."key_projection_outbox" (id, account_id, key_id)
      SELECT gen_random_uuid(), p_account_id, id FROM piece WHERE is_active
  ), scrubbed AS (
    UPDATE "control"."keys" AS k SET revoked_at = coalesce(revoked_at, now()), name = 'deleted', tags = '{}',
      owner_user_id = NULL, version = version + 1 FROM piece WHERE k.account_id = p_account_id AND k.id = piece.id
  )
  SELECT id INTO last_key FROM piece ORDER BY id DESC LIMIT 1;
  IF last_key IS NOT NULL THEN
    UPDATE "control"."account_erasures" SET keys_after = last_key WHERE account_id = p_account_id;
    RETURN 'more';
  END IF;

  DELETE FROM "control"."invites" WHERE (account_id, id) IN
    (SELECT account_id, id FROM "control"."invites" WHERE account_id = p_account_id LIMIT p_rows_max);
  GET DIAGNOSTICS done = ROW_COUNT;
  IF done > 0 THEN RETURN 'more'; END IF;
  DELETE FROM "control"."management_tokens" WHERE (account_id, id) IN
    (SELECT account_id, id FROM "control"."management_tokens" WHERE account_id = p_account_id LIMIT p_rows_max);
  GET DIAGNOSTICS done = ROW_COUNT;
  IF done > 0 THEN RETURN 'more'; END IF;
  DELETE FROM "control"."idempotent_requests" WHERE (account_id, actor_id, route, key) IN
    (SELECT account_id, actor_id, route, key FROM "control"."idempotent_requests" WHERE account_id = p_account_id LIMIT p_rows_max);
  GET DIAGNOSTICS done = ROW_COUNT;
  IF done > 0 THEN RETURN 'more'; END IF;
  -- Of people who left the account earlier, too.
  DELETE FROM "control"."sessions" WHERE token_hash IN
    (SELECT token_hash FROM "control"."sessions" WHERE account_id = p_account_id LIMIT p_rows_max);
  GET DIAGNOSTICS done = ROW_COUNT;
  IF done > 0 THEN RETURN 'more'; END IF;
  DELETE FROM "control"."audit_entries" WHERE account_id = p_account_id AND sequence IN
    (SELECT sequence FROM "control"."audit_entries" WHERE account_id = p_account_id ORDER BY sequence LIMIT p_rows_max);
  GET DIAGNOSTICS done = ROW_COUNT;
  IF done > 0 THEN RETURN 'more'; END IF;

  -- Projects have an upper bound.
  UPDATE "control"."projects" SET name = 'deleted', archived_at = coalesce(archived_at, now()), version = version + 1
    WHERE account_id = p_account_id;
  SELECT jsonb_build_object('auditEntriesErased', sequence, 'lastHash', hash) INTO erased FROM "control"."audit_heads"
    WHERE account_id = p_account_id FOR UPDATE;
  DELETE FROM "control"."audit_heads" WHERE account_id = p_account_id;
  UPDATE "control"."accounts" SET name = 'deleted', erased_at = now(), version = version + 1 WHERE id = p_account_id;
  DELETE FROM "control"."account_erasures" WHERE account_id = p_account_id;
  PERFORM "control".append_audit(p_account_id, now(), '{"kind": "system", "label": "deletion of accounts"}', 'account.erased',
    jsonb_build_object('kind', 'account', 'id', p_account_id),
    coalesce(erased, '{}') || jsonb_build_object('peopleErased', progress.people_erased, 'pieces', progress.pieces), '{}');
  RETURN 'erased';
END $$;

-- Deletions of accounts as operators see them, by the database's clock as they are carried out by it. States:
--   waiting    its grace is not over, and it can be taken back
--   due        its grace is over, and nothing was done yet
--   under_way  a piece was done, and more are left
--   failing    the last attempt failed; tried again at next_try_at
--   erased     carried out; how was told in the account's audit log
-- A deletion that is due or under way goes on with the next round of any control plane, so it has no instant of its own.
CREATE VIEW "control"."erasures" WITH (security_invoker = true) AS
  SELECT d.account_id, d.name, d.state, d.delete_after, d.begun_at, d.worked_at, d.pieces, d.people_erased, d.failures, d.last_error,
    CASE d.state WHEN 'waiting' THEN d.delete_after WHEN 'failing' THEN d.next_attempt_at END AS next_try_at, d.erased_at
  FROM (
    SELECT a.id AS account_id, a.name, a.delete_after, a.erased_at, e.begun_at, e.worked_at, e.next_attempt_at,
      coalesce(e.pieces, 0) AS pieces, coalesce(e.people_erased, 0) AS people_erased, coalesce(e.failures, 0) AS failures,
      nullif(e.last_error, '') AS last_error,
      CASE WHEN a.erased_at IS NOT NULL THEN 'erased' WHEN e.failures > 0 THEN 'failing' WHEN e.account_id IS NOT NULL THEN 'under_way'
        WHEN a.delete_after <= now() THEN 'due' ELSE 'waiting' END AS state
    FROM "control"."accounts" AS a LEFT JOIN "control"."account_erasures" AS e ON e.account_id = a.id
    WHERE a.delete_after IS NOT NULL
  ) AS d;
GRANT SELECT ON "control"."erasures" TO control_operator;
