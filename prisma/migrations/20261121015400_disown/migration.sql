-- Whoever proves an address takes over the user that has it, and whoever signed up with it before may have been somebody else.
-- What they left behind to act with is in every account that they were in, and row-level security shows the application one
-- account at a time: hence a function, for the user of the transaction only.
CREATE FUNCTION "control".disown(p_user_id uuid, p_now timestamptz) RETURNS TABLE (tokens integer, invites integer)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_user_id IS DISTINCT FROM nullif(current_setting('app.user_id', true), '')::uuid THEN
    RAISE EXCEPTION 'what a user made is ended in a transaction of that user only';
  END IF;
  UPDATE "control"."management_tokens" SET revoked_at = p_now WHERE created_by = p_user_id AND revoked_at IS NULL;
  GET DIAGNOSTICS tokens = ROW_COUNT;
  UPDATE "control"."invites" SET revoked_at = p_now
    WHERE invited_by = p_user_id AND accepted_at IS NULL AND revoked_at IS NULL;
  GET DIAGNOSTICS invites = ROW_COUNT;
  RETURN NEXT;
END $$;
REVOKE ALL ON FUNCTION "control".disown(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".disown(uuid, timestamptz) TO control_app;
