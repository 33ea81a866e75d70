-- Asked at the end of each change that an operator makes to somebody's account, in its transaction, before its audit entry is written:
-- whether the session that the change came with is still that, and its user still an operator. Both rows are locked until the
-- commit, so whoever ends either waits for this change or comes before it.
CREATE FUNCTION "control".admit_operator(p_session_id uuid, p_user_id uuid) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM FROM "control"."sessions" WHERE id = p_session_id AND user_id = p_user_id AND revoked_at IS NULL FOR SHARE;
  IF NOT FOUND THEN RETURN false; END IF;
  PERFORM FROM "control"."operators" WHERE user_id = p_user_id FOR SHARE;
  RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION "control".admit_operator(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".admit_operator(uuid, uuid) TO control_operator;
