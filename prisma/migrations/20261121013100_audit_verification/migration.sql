-- Reading the log by who acted and by what was acted on, newest first.
CREATE INDEX "audit_entries_account_id_actor_id_sequence_idx" ON "control"."audit_entries"("account_id", "actor_id", "sequence");
CREATE INDEX "audit_entries_account_id_subject_id_sequence_idx" ON "control"."audit_entries"("account_id", "subject_id", "sequence");
CREATE INDEX "audit_entries_account_id_action_sequence_idx" ON "control"."audit_entries"("account_id", "action", "sequence");

-- From here on by hand: what the models cannot say.

-- Walks one piece of an account's chain, from the entry after p_after whose hash was p_hash: the whole of it from
-- (0, 64 zeros). `last_sequence` and `last_hash` begin the next piece; `checked` below p_limit says that the end was
-- reached, and there the head is compared too. Problems, the first of each kind in the piece, are worded to be read.
--   changed   what an entry says is not what was hashed
--   unlinked  an entry does not name the hash of the one before it: changed together with its own hash, or moved
--   missing   a sequence number is skipped
--   head      the last entry is not the one that the head names: entries were cut off the end, or appended past append_audit
-- What no chain can show: that its owner rewrote every hash from some entry on, the head too. Whoever noted an earlier
-- (sequence, hash) finds that out.
CREATE FUNCTION "control".verify_audit(p_account_id uuid, p_after bigint DEFAULT 0, p_hash text DEFAULT repeat('0', 64),
  p_limit integer DEFAULT 2147483647)
  RETURNS TABLE (checked bigint, last_sequence bigint, last_hash text, problems jsonb)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH piece AS MATERIALIZED (
    SELECT e.sequence, e.hash::text AS hash, e.previous_hash::text AS previous_hash, "control".audit_hash(e) AS true_hash,
      lag(e.sequence, 1, p_after) OVER w AS sequence_before, lag(e.hash::text, 1, p_hash) OVER w AS hash_before
    FROM (SELECT * FROM "control"."audit_entries" WHERE account_id = p_account_id AND sequence > p_after
      ORDER BY sequence LIMIT p_limit) AS e
    WINDOW w AS (ORDER BY e.sequence)
  ), summary AS (
    SELECT count(*) AS checked, coalesce(max(sequence), p_after) AS last_sequence,
      coalesce((SELECT hash FROM piece ORDER BY sequence DESC LIMIT 1), p_hash) AS last_hash FROM piece
  ), head AS (
    SELECT coalesce((SELECT h.sequence FROM "control"."audit_heads" AS h WHERE h.account_id = p_account_id), 0) AS sequence,
      coalesce((SELECT h.hash::text FROM "control"."audit_heads" AS h WHERE h.account_id = p_account_id), repeat('0', 64)) AS hash
  ), found (kind, sequence, detail) AS (
    (SELECT 'changed', sequence, 'entry ' || sequence || ' is not what was hashed when it was written'
      FROM piece WHERE hash <> true_hash ORDER BY sequence LIMIT 1)
    UNION ALL
    (SELECT 'unlinked', sequence, 'entry ' || sequence || ' does not follow from the entry before it'
      FROM piece WHERE previous_hash <> hash_before ORDER BY sequence LIMIT 1)
    UNION ALL
    (SELECT 'missing', sequence_before + 1, 'entries ' || sequence_before + 1 || ' to ' || sequence - 1 || ' are missing'
      FROM piece WHERE sequence <> sequence_before + 1 ORDER BY sequence LIMIT 1)
    UNION ALL
    SELECT 'head', s.last_sequence, CASE WHEN s.last_sequence = h.sequence
        THEN 'entry ' || h.sequence || ' is not the one that was written last'
        ELSE 'the log ends with entry ' || s.last_sequence || ', but the one written last was entry ' || h.sequence END
      FROM summary AS s, head AS h
      WHERE s.checked < p_limit AND (s.last_sequence, s.last_hash) IS DISTINCT FROM (h.sequence, h.hash)
  )
  SELECT s.checked, s.last_sequence, s.last_hash, coalesce((SELECT jsonb_agg(jsonb_build_object('kind', f.kind,
    'sequence', f.sequence, 'detail', f.detail) ORDER BY f.sequence, f.kind) FROM found AS f), '[]')
  FROM summary AS s
$$;
REVOKE ALL ON FUNCTION "control".verify_audit(uuid, bigint, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".verify_audit(uuid, bigint, text, integer) TO control_app;
