-- Asked at the end of each change of an account, in its transaction, before its audit entry is written. As before, and whether
-- who makes it is still a member.
--
-- is_live      whether the session or management token that the change came with is still that. Its row is locked until the
--              commit, so whoever ends it waits for this change or comes before it: what is ended makes nothing any more, not
--              even by a request that was let in just before.
-- member_role  what the user is in the account, of a token whoever made it; null for nobody. Locked likewise, and first: whoever
--              erases an account takes its members before their sessions. So nobody changes anything after they were removed,
--              or by a role that they have no more.
-- retry_at     when the actor may change something again, if p_entries_max entries of the last 24 hours are theirs; else null.
--              Without it one script in a loop would make a log that nobody can read, export or erase. Of each actor, so that
--              no member keeps another from working.
--
-- Not asked of what ends only the membership or credential that it comes with: those rows are gone or locked by then.
DROP FUNCTION "control".admit_change(uuid, text, uuid, uuid, timestamptz, integer);
CREATE FUNCTION "control".admit_change(p_account_id uuid, p_kind text, p_credential_id uuid, p_user_id uuid, p_now timestamptz,
  p_entries_max integer, OUT is_live boolean, OUT member_role text, OUT retry_at timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  actor uuid := CASE WHEN p_kind = 'token' THEN p_credential_id ELSE p_user_id END;
BEGIN
  IF p_account_id IS DISTINCT FROM nullif(current_setting('app.account_id', true), '')::uuid THEN
    RAISE EXCEPTION 'a change is admitted for the account of the transaction only';
  END IF;
  SELECT m.role INTO member_role FROM "control"."memberships" AS m
    WHERE m.account_id = p_account_id AND m.user_id = p_user_id FOR SHARE;
  IF p_kind = 'token' THEN
    PERFORM FROM "control"."management_tokens"
      WHERE account_id = p_account_id AND id = p_credential_id AND revoked_at IS NULL FOR SHARE;
  ELSE
    PERFORM FROM "control"."sessions" WHERE id = p_credential_id AND user_id = p_user_id AND revoked_at IS NULL FOR SHARE;
  END IF;
  is_live := FOUND;
  SELECT e.occurred_at + interval '24 hours' INTO retry_at FROM "control"."audit_entries" AS e
    WHERE e.account_id = p_account_id AND e.sequence = (SELECT o.sequence FROM "control"."audit_entries" AS o
      WHERE o.account_id = p_account_id AND o.actor_id = actor ORDER BY o.sequence DESC OFFSET p_entries_max - 1 LIMIT 1);
  IF retry_at <= p_now THEN retry_at := NULL; END IF;
END $$;
REVOKE ALL ON FUNCTION "control".admit_change(uuid, text, uuid, uuid, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".admit_change(uuid, text, uuid, uuid, timestamptz, integer) TO control_app;
