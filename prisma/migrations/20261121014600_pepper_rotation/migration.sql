-- A key that is used under the pepper before is hashed again with the one now: its text was shown once and is not stored. The
-- application may not change hashes as it likes; it may do this, for a key of the transaction's account whose hash it knows.
CREATE FUNCTION "control".rehash_key(p_account_id uuid, p_key_id uuid, p_before char(64), p_after char(64), p_hash_version smallint)
  RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_account_id IS DISTINCT FROM nullif(current_setting('app.account_id', true), '')::uuid THEN
    RAISE EXCEPTION 'a key is hashed again in a transaction of its account only';
  END IF;
  UPDATE "control"."keys" SET key_hash = p_after, hash_version = p_hash_version, version = version + 1
    WHERE account_id = p_account_id AND id = p_key_id AND key_hash = p_before;
  RETURN FOUND;
END $$;
REVOKE ALL ON FUNCTION "control".rehash_key(uuid, uuid, char, char, smallint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".rehash_key(uuid, uuid, char, char, smallint) TO control_app;
