-- Sessions name accounts, and users have password hashes: without row-level security one careless query of the application
-- would show those of every tenant. A row is seen by whoever names it: the address or the token hash that somebody
-- presents, the user's id, or (users alone) an account that the user belongs to. nullif as in the first migration.
ALTER TABLE "control"."users" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."users" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."sessions" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."sessions" FORCE ROW LEVEL SECURITY;

CREATE POLICY of_user ON "control"."users" FOR ALL TO control_app
  USING (id = nullif(current_setting('app.user_id', true), '')::uuid);
CREATE POLICY of_email ON "control"."users" FOR SELECT TO control_app
  USING (email = nullif(current_setting('app.email', true), ''));
CREATE POLICY of_account ON "control"."users" FOR SELECT TO control_app
  USING (EXISTS (SELECT FROM "control"."memberships" m WHERE m.user_id = users.id
    AND m.account_id = nullif(current_setting('app.account_id', true), '')::uuid));

CREATE POLICY of_user ON "control"."sessions" FOR ALL TO control_app
  USING (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
-- A session is begun for a user and never with a token alone.
CREATE POLICY of_token ON "control"."sessions" FOR SELECT TO control_app
  USING (token_hash = nullif(current_setting('app.session_hash', true), '')::char(64));
CREATE POLICY of_token_changes ON "control"."sessions" FOR UPDATE TO control_app
  USING (token_hash = nullif(current_setting('app.session_hash', true), '')::char(64));

CREATE POLICY owner_operates ON "control"."users" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."sessions" FOR ALL TO CURRENT_USER USING (true);
