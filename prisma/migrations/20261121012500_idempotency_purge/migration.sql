-- Row-level security shows the application one account at a time; what is over goes for all of them, and nothing else does.
CREATE FUNCTION "control".purge_idempotent_requests(p_rows_max integer) RETURNS integer
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH old AS (
    SELECT account_id, actor_id, route, key FROM "control"."idempotent_requests"
    WHERE created_at < now() - interval '24 hours' ORDER BY created_at LIMIT p_rows_max FOR UPDATE SKIP LOCKED
  ), gone AS (
    DELETE FROM "control"."idempotent_requests" r USING old
    WHERE (r.account_id, r.actor_id, r.route, r.key) = (old.account_id, old.actor_id, old.route, old.key) RETURNING 1
  )
  SELECT count(*)::integer FROM gone $$;
REVOKE ALL ON FUNCTION "control".purge_idempotent_requests(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".purge_idempotent_requests(integer) TO control_app;
