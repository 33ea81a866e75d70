-- AlterTable
ALTER TABLE "control"."accounts" ADD COLUMN     "delete_after" TIMESTAMPTZ(3),
ADD COLUMN     "disabled_at" TIMESTAMPTZ(3),
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "control"."keys" ADD COLUMN     "hash_version" SMALLINT NOT NULL DEFAULT 1,
ADD COLUMN     "owner_user_id" UUID,
ADD COLUMN     "project_id" UUID,
ADD COLUMN     "tags" JSONB NOT NULL DEFAULT '{}';

-- AlterTable
ALTER TABLE "control"."plans" ADD COLUMN     "fee_nano_usd" BIGINT NOT NULL DEFAULT 0,
ADD COLUMN     "is_custom" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "knowledge_bases_max" INTEGER,
ADD COLUMN     "position" INTEGER NOT NULL DEFAULT 0,
ADD COLUMN     "rpm_per_account_max" INTEGER,
ADD COLUMN     "storage_bytes_max" BIGINT;

-- AlterTable
ALTER TABLE "control"."users" ADD COLUMN     "disabled_at" TIMESTAMPTZ(3),
ADD COLUMN     "email_verified_at" TIMESTAMPTZ(3),
ADD COLUMN     "name" TEXT NOT NULL DEFAULT '',
ALTER COLUMN "password_hash" DROP NOT NULL;

-- AlterTable
ALTER TABLE "control"."sessions" ADD COLUMN     "auth_method" TEXT NOT NULL DEFAULT 'password',
ADD COLUMN     "id" UUID NOT NULL DEFAULT gen_random_uuid(),
ADD COLUMN     "ip_prefix" TEXT NOT NULL DEFAULT '';

-- CreateTable
CREATE TABLE "control"."invites" (
    "account_id" UUID NOT NULL,
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "token_hash" CHAR(64) NOT NULL,
    "invited_by" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "accepted_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "invites_pkey" PRIMARY KEY ("account_id","id")
);

-- CreateTable
CREATE TABLE "control"."management_tokens" (
    "account_id" UUID NOT NULL,
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "token_hash" CHAR(64) NOT NULL,
    "preview" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "created_by" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "last_used_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "management_tokens_pkey" PRIMARY KEY ("account_id","id")
);

-- CreateTable
CREATE TABLE "control"."audit_entries" (
    "account_id" UUID NOT NULL,
    "sequence" BIGINT NOT NULL,
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,
    "actor_kind" TEXT NOT NULL,
    "actor_id" UUID,
    "actor_label" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "subject_kind" TEXT NOT NULL,
    "subject_id" TEXT NOT NULL,
    "details" JSONB NOT NULL DEFAULT '{}',
    "ip_prefix" TEXT NOT NULL DEFAULT '',
    "user_agent" TEXT NOT NULL DEFAULT '',
    "request_id" TEXT NOT NULL DEFAULT '',
    "previous_hash" CHAR(64) NOT NULL,
    "hash" CHAR(64) NOT NULL,

    CONSTRAINT "audit_entries_pkey" PRIMARY KEY ("account_id","sequence")
);

-- CreateTable
CREATE TABLE "control"."audit_heads" (
    "account_id" UUID NOT NULL,
    "sequence" BIGINT NOT NULL,
    "hash" CHAR(64) NOT NULL,

    CONSTRAINT "audit_heads_pkey" PRIMARY KEY ("account_id")
);

-- CreateTable
CREATE TABLE "control"."idempotent_requests" (
    "account_id" UUID NOT NULL,
    "actor_id" UUID NOT NULL,
    "route" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "body_hash" CHAR(64) NOT NULL,
    "status" INTEGER,
    "response" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotent_requests_pkey" PRIMARY KEY ("account_id","actor_id","route","key")
);

-- CreateTable
CREATE TABLE "control"."projects" (
    "account_id" UUID NOT NULL,
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "budget_nano_usd" BIGINT,
    "created_at" TIMESTAMPTZ(3) NOT NULL,
    "archived_at" TIMESTAMPTZ(3),
    "version" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "projects_pkey" PRIMARY KEY ("account_id","id")
);

-- CreateTable
CREATE TABLE "control"."identities" (
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "identities_pkey" PRIMARY KEY ("issuer","subject")
);

-- CreateTable
CREATE TABLE "control"."mail_tokens" (
    "token_hash" CHAR(64) NOT NULL,
    "purpose" TEXT NOT NULL,
    "user_id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "code_hash" CHAR(64),
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "used_at" TIMESTAMPTZ(3),

    CONSTRAINT "mail_tokens_pkey" PRIMARY KEY ("token_hash")
);

-- CreateTable
CREATE TABLE "control"."operators" (
    "user_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "operators_pkey" PRIMARY KEY ("user_id")
);

-- CreateIndex
CREATE UNIQUE INDEX "invites_token_hash_key" ON "control"."invites"("token_hash");

-- CreateIndex
CREATE INDEX "invites_account_id_email_idx" ON "control"."invites"("account_id", "email");

-- CreateIndex
CREATE UNIQUE INDEX "management_tokens_token_hash_key" ON "control"."management_tokens"("token_hash");

-- CreateIndex
CREATE INDEX "audit_entries_account_id_occurred_at_idx" ON "control"."audit_entries"("account_id", "occurred_at");

-- CreateIndex
CREATE INDEX "idempotent_requests_created_at_idx" ON "control"."idempotent_requests"("created_at");

-- CreateIndex
CREATE INDEX "identities_user_id_idx" ON "control"."identities"("user_id");

-- CreateIndex
CREATE INDEX "mail_tokens_user_id_purpose_idx" ON "control"."mail_tokens"("user_id", "purpose");

-- CreateIndex
CREATE INDEX "keys_account_id_project_id_idx" ON "control"."keys"("account_id", "project_id");

-- CreateIndex
CREATE UNIQUE INDEX "sessions_id_key" ON "control"."sessions"("id");

-- AddForeignKey
ALTER TABLE "control"."invites" ADD CONSTRAINT "invites_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "control"."accounts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."management_tokens" ADD CONSTRAINT "management_tokens_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "control"."accounts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."keys" ADD CONSTRAINT "keys_project_fkey" FOREIGN KEY ("account_id", "project_id") REFERENCES "control"."projects"("account_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."projects" ADD CONSTRAINT "projects_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "control"."accounts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."identities" ADD CONSTRAINT "identities_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "control"."users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."mail_tokens" ADD CONSTRAINT "mail_tokens_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "control"."users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."operators" ADD CONSTRAINT "operators_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "control"."users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- From here on by hand: what the models cannot say.

-- Values.
ALTER TABLE "control"."plans"
  ADD CHECK (fee_nano_usd >= 0),
  ADD CHECK (rpm_per_account_max > 0),
  ADD CHECK (knowledge_bases_max >= 0 AND storage_bytes_max >= 0);
ALTER TABLE "control"."accounts"
  ADD CHECK (version > 0);
ALTER TABLE "control"."users"
  ADD CHECK (char_length(name) <= 100);
ALTER TABLE "control"."sessions"
  ADD CHECK (auth_method IN ('password', 'google', 'code'));
ALTER TABLE "control"."keys"
  ADD CHECK (jsonb_typeof(tags) = 'object'),
  ADD CHECK (hash_version > 0);
ALTER TABLE "control"."projects"
  ADD CHECK (budget_nano_usd >= 0 AND budget_nano_usd < 9007199254740992),
  ADD CHECK (version > 0);
ALTER TABLE "control"."invites"
  ADD CHECK (email = lower(email)),
  ADD CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
  ADD CHECK (token_hash ~ '^[0-9a-f]{64}$'),
  ADD CHECK (expires_at > created_at);
ALTER TABLE "control"."management_tokens"
  ADD CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
  ADD CHECK (token_hash ~ '^[0-9a-f]{64}$'),
  ADD CHECK (expires_at > created_at);
ALTER TABLE "control"."mail_tokens"
  ADD CHECK (purpose IN ('verify_email', 'reset_password', 'sign_in_code')),
  ADD CHECK (token_hash ~ '^[0-9a-f]{64}$' AND code_hash ~ '^[0-9a-f]{64}$'),
  ADD CHECK (attempts >= 0),
  ADD CHECK (expires_at > created_at);
ALTER TABLE "control"."audit_entries"
  ADD CHECK (sequence > 0),
  ADD CHECK (actor_kind IN ('user', 'token', 'operator', 'system')),
  ADD CHECK (jsonb_typeof(details) = 'object' AND length(details::text) <= 8192);
ALTER TABLE "control"."idempotent_requests"
  ADD CHECK (char_length(key) BETWEEN 1 AND 255),
  ADD CHECK (body_hash ~ '^[0-9a-f]{64}$');
-- One open invitation per address and account; accepted and revoked ones may pile up behind it.
CREATE UNIQUE INDEX "invites_open_key" ON "control"."invites" (account_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;

-- What an entry's hash covers: everything but itself, as one JSON array, so that no two entries read the same.
CREATE FUNCTION "control".audit_hash(e "control"."audit_entries") RETURNS text
  LANGUAGE sql STABLE
  RETURN encode(sha256(convert_to(jsonb_build_array(e.previous_hash, e.account_id, e.sequence,
    (extract(epoch FROM e.occurred_at) * 1000)::bigint, e.actor_kind, e.actor_id, e.actor_label, e.action, e.subject_kind,
    e.subject_id, e.details, e.ip_prefix, e.user_agent, e.request_id)::text, 'UTF8')), 'hex');

-- The only way to write an entry. It runs as the owner, so that the application can neither change an entry nor choose
-- its place in the chain; and only for the account whose rows the transaction sees anyway.
CREATE FUNCTION "control".append_audit(p_account_id uuid, p_occurred_at timestamptz, p_actor jsonb, p_action text, p_subject jsonb,
  p_details jsonb, p_origin jsonb) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head "control"."audit_heads";
  e "control"."audit_entries";
BEGIN
  IF p_account_id IS DISTINCT FROM nullif(current_setting('app.account_id', true), '')::uuid THEN
    RAISE EXCEPTION 'an audit entry is written for the account of the transaction only';
  END IF;
  INSERT INTO "control"."audit_heads" VALUES (p_account_id, 0, repeat('0', 64)) ON CONFLICT DO NOTHING;
  -- Writers of one account queue here until the one before has committed: the chain has no forks.
  SELECT * INTO head FROM "control"."audit_heads" WHERE account_id = p_account_id FOR UPDATE;
  e.account_id := p_account_id;
  e.sequence := head.sequence + 1;
  e.occurred_at := p_occurred_at;
  e.actor_kind := p_actor ->> 'kind';
  e.actor_id := (p_actor ->> 'id')::uuid;
  e.actor_label := p_actor ->> 'label';
  e.action := p_action;
  e.subject_kind := p_subject ->> 'kind';
  e.subject_id := p_subject ->> 'id';
  e.details := p_details;
  e.ip_prefix := coalesce(p_origin ->> 'ipPrefix', '');
  e.user_agent := coalesce(p_origin ->> 'userAgent', '');
  e.request_id := coalesce(p_origin ->> 'requestId', '');
  e.previous_hash := head.hash;
  e.hash := "control".audit_hash(e);
  INSERT INTO "control"."audit_entries" SELECT e.*;
  UPDATE "control"."audit_heads" SET sequence = e.sequence, hash = e.hash WHERE account_id = p_account_id;
  RETURN e.sequence;
END $$;
REVOKE ALL ON FUNCTION "control".append_audit(uuid, timestamptz, jsonb, text, jsonb, jsonb, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "control".append_audit(uuid, timestamptz, jsonb, text, jsonb, jsonb, jsonb) TO control_app;

-- Grants. Allowlist and expiry stay fixed at mint (spec TL-3); entries of the audit log are only ever read.
GRANT UPDATE (password_hash, email_verified_at, name) ON "control"."users" TO control_app;
GRANT UPDATE (account_id) ON "control"."sessions" TO control_app;
GRANT UPDATE (plan_id, delete_after, version) ON "control"."accounts" TO control_app;
GRANT UPDATE (role), DELETE ON "control"."memberships" TO control_app;
GRANT UPDATE (name, budget_nano_usd, rpm, tags, owner_user_id, project_id) ON "control"."keys" TO control_app;
GRANT SELECT, INSERT, DELETE ON "control"."identities" TO control_app;
GRANT SELECT, INSERT, DELETE ON "control"."mail_tokens" TO control_app;
GRANT UPDATE (attempts, used_at) ON "control"."mail_tokens" TO control_app;
GRANT SELECT, INSERT ON "control"."projects", "control"."invites", "control"."management_tokens" TO control_app;
GRANT UPDATE (name, budget_nano_usd, archived_at, version) ON "control"."projects" TO control_app;
GRANT UPDATE (accepted_at, revoked_at) ON "control"."invites" TO control_app;
GRANT UPDATE (name, last_used_at, revoked_at) ON "control"."management_tokens" TO control_app;
GRANT SELECT ON "control"."audit_entries", "control"."audit_heads", "control"."operators" TO control_app;
GRANT SELECT, INSERT, DELETE ON "control"."idempotent_requests" TO control_app;
GRANT UPDATE (status, response) ON "control"."idempotent_requests" TO control_app;
GRANT SELECT ON "control"."projects" TO control_relay;

-- Row-level security, as in the first migrations.
ALTER TABLE "control"."identities" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."identities" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."mail_tokens" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."mail_tokens" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."operators" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."operators" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."projects" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."projects" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."invites" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."invites" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."management_tokens" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."management_tokens" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."audit_entries" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."audit_entries" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."audit_heads" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."audit_heads" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."idempotent_requests" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."idempotent_requests" FORCE ROW LEVEL SECURITY;

CREATE POLICY of_account ON "control"."projects" FOR ALL TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY of_account ON "control"."invites" FOR ALL TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY of_account ON "control"."management_tokens" FOR ALL TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY of_account ON "control"."audit_entries" FOR SELECT TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY of_account ON "control"."audit_heads" FOR SELECT TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY of_account ON "control"."idempotent_requests" FOR ALL TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);

CREATE POLICY of_user ON "control"."identities" FOR ALL TO control_app
  USING (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
CREATE POLICY of_user ON "control"."mail_tokens" FOR ALL TO control_app
  USING (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
CREATE POLICY of_user ON "control"."operators" FOR SELECT TO control_app
  USING (user_id = nullif(current_setting('app.user_id', true), '')::uuid);

-- Found by what the caller presents, before anything else is known: the hash of a token, or what Google vouched for.
CREATE POLICY of_hash ON "control"."mail_tokens" FOR SELECT TO control_app
  USING (token_hash = nullif(current_setting('app.presented_hash', true), '')::char(64));
CREATE POLICY of_hash ON "control"."invites" FOR SELECT TO control_app
  USING (token_hash = nullif(current_setting('app.presented_hash', true), '')::char(64));
CREATE POLICY of_hash ON "control"."management_tokens" FOR SELECT TO control_app
  USING (token_hash = nullif(current_setting('app.presented_hash', true), '')::char(64));
CREATE POLICY of_identity ON "control"."identities" FOR SELECT TO control_app
  USING (issuer || ' ' || subject = nullif(current_setting('app.identity', true), ''));
-- An invited person reads the name of the account that asks.
CREATE POLICY of_invite ON "control"."accounts" FOR SELECT TO control_app
  USING (EXISTS (SELECT FROM "control"."invites" i WHERE i.account_id = accounts.id
    AND i.token_hash = nullif(current_setting('app.presented_hash', true), '')::char(64)));

CREATE POLICY relay_reads ON "control"."projects" FOR SELECT TO control_relay USING (true);

CREATE POLICY owner_operates ON "control"."identities" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."mail_tokens" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."operators" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."projects" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."invites" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."management_tokens" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."audit_entries" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."audit_heads" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."idempotent_requests" FOR ALL TO CURRENT_USER USING (true);
