-- AlterTable
ALTER TABLE "control"."accounts" ADD COLUMN     "erased_at" TIMESTAMPTZ(3);

-- From here on by hand: what the models cannot say.
ALTER TABLE "control"."accounts"
  ADD CHECK (erased_at IS NULL OR delete_after IS NOT NULL);
CREATE INDEX "accounts_delete_after_idx" ON "control"."accounts" (delete_after) WHERE delete_after IS NOT NULL AND erased_at IS NULL;
-- An invitation that is sent again has a new token; the one in the older mail opens nothing more.
GRANT UPDATE (token_hash, expires_at) ON "control"."invites" TO control_app;

-- Carries a deletion out once its grace is over; false when there is nothing to do, which makes it safe to repeat and to call
-- from several replicas at once. It runs as the owner, because the application deletes neither accounts nor people, and goes
-- by the database's clock and by what the row says: an application that is led astray cannot erase an account at once
-- without having asked for its deletion first.
--
-- Goes: invitations, tokens, sessions, memberships, what was answered under Idempotency-Keys, names and tags of keys and
-- projects, the account's name, its audit log (addresses, networks and browsers of people), and those members who belong to no
-- other account, unless they run the installation.
-- Stays: the rows of the account, its keys and projects, whose ids usage, charges and the ledger name. Those are records of
-- money, which must add up and are kept by law; they hold ids, models, tokens and amounts. Of the audit log the number of
-- entries and the last hash stay, so that a copy taken earlier can be checked.
CREATE FUNCTION "control".erase_account(p_account_id uuid) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  people uuid[];
  erased jsonb;
BEGIN
  PERFORM FROM "control"."accounts" WHERE id = p_account_id AND delete_after <= now() AND erased_at IS NULL FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN
    RETURN false;
  END IF;

  INSERT INTO "control"."key_projection_outbox" (id, account_id, key_id)
    SELECT gen_random_uuid(), account_id, id FROM "control"."keys" WHERE account_id = p_account_id AND revoked_at IS NULL;
  UPDATE "control"."keys" SET revoked_at = coalesce(revoked_at, now()), name = 'deleted', tags = '{}', owner_user_id = NULL,
    version = version + 1 WHERE account_id = p_account_id;
  UPDATE "control"."projects" SET name = 'deleted', archived_at = coalesce(archived_at, now()), version = version + 1
    WHERE account_id = p_account_id;
  DELETE FROM "control"."invites" WHERE account_id = p_account_id;
  DELETE FROM "control"."management_tokens" WHERE account_id = p_account_id;
  DELETE FROM "control"."idempotent_requests" WHERE account_id = p_account_id;
  DELETE FROM "control"."sessions" WHERE account_id = p_account_id;

  WITH left_behind AS (DELETE FROM "control"."memberships" WHERE account_id = p_account_id RETURNING user_id)
    SELECT coalesce(array_agg(user_id), '{}') INTO people FROM left_behind;
  SELECT coalesce(array_agg(p), '{}') INTO people FROM unnest(people) AS p
    WHERE NOT EXISTS (SELECT FROM "control"."memberships" WHERE user_id = p AND account_id <> p_account_id)
      AND NOT EXISTS (SELECT FROM "control"."operators" WHERE user_id = p);
  DELETE FROM "control"."identities" WHERE user_id = ANY (people);
  DELETE FROM "control"."mail_tokens" WHERE user_id = ANY (people);
  DELETE FROM "control"."sessions" WHERE user_id = ANY (people);
  DELETE FROM "control"."users" WHERE id = ANY (people);

  SELECT jsonb_build_object('auditEntriesErased', sequence, 'lastHash', hash) INTO erased FROM "control"."audit_heads"
    WHERE account_id = p_account_id;
  DELETE FROM "control"."audit_entries" WHERE account_id = p_account_id;
  DELETE FROM "control"."audit_heads" WHERE account_id = p_account_id;
  UPDATE "control"."accounts" SET name = 'deleted', erased_at = now(), version = version + 1 WHERE id = p_account_id;
  PERFORM "control".append_audit(p_account_id, now(), '{"kind": "system", "label": "deletion of accounts"}', 'account.erased',
    jsonb_build_object('kind', 'account', 'id', p_account_id),
    coalesce(erased, '{}') || jsonb_build_object('peopleErased', cardinality(people)), '{}');
  RETURN true;
END $$;
REVOKE ALL ON FUNCTION "control".erase_account(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".erase_account(uuid) TO control_app;
