-- CreateTable
CREATE TABLE "control"."account_erasures" (
    "account_id" UUID NOT NULL,
    "begun_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "worked_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "keys_after" UUID,
    "people_erased" INTEGER NOT NULL DEFAULT 0,
    "failures" INTEGER NOT NULL DEFAULT 0,
    "last_error" TEXT NOT NULL DEFAULT '',
    "next_attempt_at" TIMESTAMPTZ(3),

    CONSTRAINT "account_erasures_pkey" PRIMARY KEY ("account_id")
);

-- From here on by hand: what the models cannot say.
ALTER TABLE "control"."account_erasures"
  ADD CHECK (people_erased >= 0 AND failures >= 0 AND length(last_error) <= 200);
ALTER TABLE "control"."account_erasures" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."account_erasures" FORCE ROW LEVEL SECURITY;
-- Written by the functions below and by nothing else; the application has no grant.
CREATE POLICY owner_operates ON "control"."account_erasures" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY operator_reads ON "control"."account_erasures" FOR SELECT TO control_operator USING (true);
GRANT SELECT ON "control"."account_erasures" TO control_operator;

-- Carries a deletion out once its grace is over, in pieces: an account may have more rows than one statement can delete in its
-- time, and one that cannot be erased must not keep the others. What goes and what stays is said in the migration that this
-- replaces a function of. Returns
--   none    nothing to do: not due by the database's clock, carried out already, or another replica is at it
--   more    a piece is gone; call again
--   erased  that was the last one
-- The first piece takes the members and with them everybody's way in: from then on nobody reads, changes or restores the
-- account. Members have an upper bound, and so have their sessions. Every other piece is p_rows_max rows of one table.
DROP FUNCTION "control".erase_account(uuid);
CREATE FUNCTION "control".erase_account(p_account_id uuid, p_rows_max integer) RETURNS text
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
  INSERT INTO "control"."account_erasures" (account_id) VALUES (p_account_id)
    ON CONFLICT (account_id) DO UPDATE SET worked_at = now(), failures = 0, last_error = '', next_attempt_at = NULL
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
    coalesce(erased, '{}') || jsonb_build_object('peopleErased', progress.people_erased), '{}');
  RETURN 'erased';
END $$;
REVOKE ALL ON FUNCTION "control".erase_account(uuid, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".erase_account(uuid, integer) TO control_app;
-- Sessions of an account, of whichever user.
CREATE INDEX "sessions_account_id_idx" ON "control"."sessions"("account_id");

-- Accounts whose deletion is due and that are not being waited for after a failure; those that were worked on longest ago first,
-- so that an account of millions of rows has its turn and not everybody's.
CREATE FUNCTION "control".list_due_erasures(p_accounts_max integer) RETURNS TABLE (account_id uuid)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT a.id FROM "control"."accounts" AS a LEFT JOIN "control"."account_erasures" AS e ON e.account_id = a.id
  WHERE a.delete_after <= now() AND a.erased_at IS NULL AND (e.next_attempt_at IS NULL OR e.next_attempt_at <= now())
  ORDER BY coalesce(e.worked_at, a.delete_after), a.id LIMIT p_accounts_max $$;
REVOKE ALL ON FUNCTION "control".list_due_erasures(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".list_due_erasures(integer) TO control_relay;

-- Notes that a piece failed. The account is left alone for ten minutes, and twice as long after each further failure, a day at
-- most. Only of an account whose deletion is due: nobody's deletion is put off by asking for this.
CREATE FUNCTION "control".note_erasure_failure(p_account_id uuid, p_error text) RETURNS integer
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO "control"."account_erasures" AS e (account_id, failures, last_error, next_attempt_at)
    SELECT id, 1, left(p_error, 200), now() + interval '10 minutes' FROM "control"."accounts"
    WHERE id = p_account_id AND delete_after <= now() AND erased_at IS NULL
  ON CONFLICT (account_id) DO UPDATE SET failures = e.failures + 1, last_error = excluded.last_error, worked_at = now(),
    next_attempt_at = now() + least(interval '10 minutes' * power(2, least(e.failures, 10)), interval '24 hours')
  RETURNING e.failures $$;
REVOKE ALL ON FUNCTION "control".note_erasure_failure(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".note_erasure_failure(uuid, text) TO control_relay;

-- How many deletions are due, and how many of them failed the last time.
CREATE FUNCTION "control".count_due_erasures(OUT due integer, OUT failing integer)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*)::integer, (count(*) FILTER (WHERE e.failures > 0))::integer
  FROM "control"."accounts" AS a LEFT JOIN "control"."account_erasures" AS e ON e.account_id = a.id
  WHERE a.delete_after <= now() AND a.erased_at IS NULL $$;
REVOKE ALL ON FUNCTION "control".count_due_erasures() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".count_due_erasures() TO control_relay;
