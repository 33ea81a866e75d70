-- What operators do through the API runs as a role of its own: the application never sees across accounts. It reads no
-- password, no key's hash and no token, and sets nothing but plan, disabling and what carries a change to the gateways.
-- (The role itself is made before the migrations: packages/db/src/roles.ts.)
GRANT USAGE ON SCHEMA "control" TO control_operator;
GRANT SELECT ON "control"."plans", "control"."accounts", "control"."memberships", "control"."projects", "control"."operators"
  TO control_operator;
GRANT SELECT (id, email, name, email_verified_at, disabled_at, created_at) ON "control"."users" TO control_operator;
GRANT SELECT (account_id, id, preview, name, models, budget_nano_usd, rpm, tpm, parallel_max, minted_at, expires_at, revoked_at,
  version, created_by, owner_user_id, project_id, tags) ON "control"."keys" TO control_operator;
GRANT SELECT (id, account_id, key_id, created_at), INSERT ON "control"."key_projection_outbox" TO control_operator;
GRANT UPDATE (plan_id, disabled_at, version) ON "control"."accounts" TO control_operator;
GRANT UPDATE (version) ON "control"."keys" TO control_operator;
GRANT SELECT ON "control"."audit_entries" TO control_operator;
-- It writes for the account that the transaction names, as it does for the application.
GRANT EXECUTE ON FUNCTION "control".append_audit(uuid, timestamptz, jsonb, text, jsonb, jsonb, jsonb) TO control_operator;

CREATE POLICY operator_reads ON "control"."accounts" FOR SELECT TO control_operator USING (true);
CREATE POLICY operator_reads ON "control"."memberships" FOR SELECT TO control_operator USING (true);
CREATE POLICY operator_reads ON "control"."users" FOR SELECT TO control_operator USING (true);
CREATE POLICY operator_reads ON "control"."keys" FOR SELECT TO control_operator USING (true);
CREATE POLICY operator_reads ON "control"."projects" FOR SELECT TO control_operator USING (true);
CREATE POLICY operator_reads ON "control"."operators" FOR SELECT TO control_operator USING (true);
CREATE POLICY operator_reads ON "control"."key_projection_outbox" FOR SELECT TO control_operator USING (true);
-- Everything it changes is of the one account that the transaction names, so that its audit entry goes to the same account.
CREATE POLICY operator_reads ON "control"."audit_entries" FOR SELECT TO control_operator
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY operator_writes ON "control"."accounts" FOR UPDATE TO control_operator
  USING (id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY operator_writes ON "control"."keys" FOR UPDATE TO control_operator
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY operator_writes ON "control"."key_projection_outbox" FOR INSERT TO control_operator
  WITH CHECK (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
