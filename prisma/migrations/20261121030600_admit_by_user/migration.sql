-- As before, but for whose changes are counted: a management token's are its maker's. Whoever may make tokens could otherwise make
-- as many changes as they make tokens. The entries name the token, as they did.
--
-- retry_at     when the user may change something again, if p_entries_max entries of the last 24 hours are theirs or their
--              tokens'; else null. Without it one script in a loop would make a log that nobody can read, export or erase. Of
--              each user, so that no member keeps another from working.
CREATE OR REPLACE FUNCTION "control".admit_change(p_account_id uuid, p_kind text, p_credential_id uuid, p_user_id uuid, p_now timestamptz,
  p_entries_max integer, OUT is_live boolean, OUT member_role text, OUT retry_at timestamptz)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  since timestamptz := p_now - interval '24 hours';
  last_before bigint;
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
  -- What is older is not looked at: the actors are many, their entries of a day are not.
  SELECT e.sequence INTO last_before FROM "control"."audit_entries" AS e
    WHERE e.account_id = p_account_id AND e.occurred_at <= since ORDER BY e.occurred_at DESC, e.sequence DESC LIMIT 1;
  SELECT e.occurred_at + interval '24 hours' INTO retry_at FROM "control"."audit_entries" AS e
    WHERE e.account_id = p_account_id AND e.sequence = (
      SELECT o.sequence FROM (
        SELECT p_user_id AS id UNION ALL SELECT p_credential_id WHERE p_kind = 'token'
        UNION SELECT t.id FROM "control"."management_tokens" AS t
          WHERE t.account_id = p_account_id AND t.created_by = p_user_id AND t.expires_at > since
            AND (t.revoked_at IS NULL OR t.revoked_at > since)
      ) AS actors CROSS JOIN LATERAL (
        SELECT a.sequence FROM "control"."audit_entries" AS a
        WHERE a.account_id = p_account_id AND a.actor_id = actors.id AND a.sequence > coalesce(last_before, 0)
        ORDER BY a.sequence DESC LIMIT p_entries_max
      ) AS o ORDER BY o.sequence DESC OFFSET p_entries_max - 1 LIMIT 1);
  IF retry_at <= p_now THEN retry_at := NULL; END IF;
END $$;
