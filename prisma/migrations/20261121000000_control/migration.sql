-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "control";

-- CreateTable
CREATE TABLE "control"."accounts" (
    "id" UUID NOT NULL,
    "tag" CHAR(8) NOT NULL,
    "name" TEXT NOT NULL,
    "plan_id" TEXT NOT NULL,
    "daily_limit_nano_usd" BIGINT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "accounts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "control"."memberships" (
    "account_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "role" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "memberships_pkey" PRIMARY KEY ("account_id","user_id")
);

-- CreateTable
CREATE TABLE "control"."keys" (
    "account_id" UUID NOT NULL,
    "id" UUID NOT NULL,
    "key_hash" CHAR(64) NOT NULL,
    "preview" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "models" TEXT[],
    "budget_nano_usd" BIGINT NOT NULL,
    "rpm" INTEGER NOT NULL,
    "minted_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "revoked_at" TIMESTAMPTZ(3),
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_by" UUID NOT NULL,

    CONSTRAINT "keys_pkey" PRIMARY KEY ("account_id","id")
);

-- CreateTable
CREATE TABLE "control"."key_projection_outbox" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "key_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "key_projection_outbox_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "control"."models" (
    "id" TEXT NOT NULL,
    "owned_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "endpoints" TEXT[],
    "context_tokens" INTEGER NOT NULL,
    "max_output_tokens" INTEGER NOT NULL,
    "tokens_per_kilobyte_max" INTEGER NOT NULL,
    "overhead_tokens" INTEGER NOT NULL,
    "overhead_tokens_per_message" INTEGER NOT NULL,
    "image_tokens_max" INTEGER,
    "is_retired" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "models_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "control"."deployments" (
    "id" TEXT NOT NULL,
    "model_id" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "base_url" TEXT NOT NULL,
    "upstream_model" TEXT NOT NULL,
    "credential" TEXT,
    "head_timeout_ms" INTEGER NOT NULL,
    "idle_timeout_ms" INTEGER NOT NULL,

    CONSTRAINT "deployments_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "control"."plans" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "keys_max" INTEGER NOT NULL,
    "budget_per_key_nano_usd_max" BIGINT NOT NULL,
    "rpm_per_key_max" INTEGER NOT NULL,
    "models" TEXT[],
    "is_offered" BOOLEAN NOT NULL,

    CONSTRAINT "plans_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "control"."users" (
    "id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "control"."sessions" (
    "token_hash" CHAR(64) NOT NULL,
    "user_id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "idle_expires_at" TIMESTAMPTZ(3) NOT NULL,
    "absolute_expires_at" TIMESTAMPTZ(3) NOT NULL,
    "user_agent" TEXT NOT NULL DEFAULT '',
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("token_hash")
);

-- CreateIndex
CREATE UNIQUE INDEX "accounts_tag_key" ON "control"."accounts"("tag");

-- CreateIndex
CREATE INDEX "memberships_user_id_idx" ON "control"."memberships"("user_id");

-- CreateIndex
CREATE UNIQUE INDEX "keys_key_hash_key" ON "control"."keys"("key_hash");

-- CreateIndex
CREATE INDEX "deployments_model_id_idx" ON "control"."deployments"("model_id");

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "control"."users"("email");

-- CreateIndex
CREATE INDEX "sessions_user_id_idx" ON "control"."sessions"("user_id");

-- AddForeignKey
ALTER TABLE "control"."accounts" ADD CONSTRAINT "accounts_plan_id_fkey" FOREIGN KEY ("plan_id") REFERENCES "control"."plans"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."memberships" ADD CONSTRAINT "memberships_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "control"."accounts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."memberships" ADD CONSTRAINT "memberships_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "control"."users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."keys" ADD CONSTRAINT "keys_account_id_fkey" FOREIGN KEY ("account_id") REFERENCES "control"."accounts"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."deployments" ADD CONSTRAINT "deployments_model_id_fkey" FOREIGN KEY ("model_id") REFERENCES "control"."models"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "control"."sessions" ADD CONSTRAINT "sessions_user_id_fkey" FOREIGN KEY ("user_id") REFERENCES "control"."users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;


-- From here on by hand: what the models cannot say.

-- Values. Amounts that reach Redis stay below 2^53: its scripts compute in doubles.
ALTER TABLE "control"."plans"
  ADD CHECK (keys_max > 0),
  ADD CHECK (budget_per_key_nano_usd_max >= 0 AND budget_per_key_nano_usd_max < 9007199254740992),
  ADD CHECK (rpm_per_key_max > 0),
  ADD CHECK (coalesce(cardinality(models), 0) > 0);
ALTER TABLE "control"."accounts"
  ADD CHECK (tag ~ '^[0-9A-Za-z]{8}$'),
  ADD CHECK (daily_limit_nano_usd >= 0 AND daily_limit_nano_usd < 9007199254740992);
ALTER TABLE "control"."memberships"
  ADD CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer'));
ALTER TABLE "control"."keys"
  ADD CHECK (key_hash ~ '^[0-9a-f]{64}$'),
  ADD CHECK (budget_nano_usd >= 0 AND budget_nano_usd < 9007199254740992),
  ADD CHECK (rpm > 0),
  ADD CHECK (version > 0),
  ADD CHECK (expires_at > minted_at),
  ADD CHECK (coalesce(cardinality(models), 0) > 0);
ALTER TABLE "control"."users"
  ADD CHECK (email = lower(email)),
  ADD CHECK (password_hash LIKE '$argon2id$%');
ALTER TABLE "control"."sessions"
  ADD CHECK (token_hash ~ '^[0-9a-f]{64}$'),
  ADD CHECK (idle_expires_at <= absolute_expires_at);
ALTER TABLE "control"."models"
  ADD CHECK (context_tokens > 0 AND max_output_tokens > 0),
  ADD CHECK (tokens_per_kilobyte_max BETWEEN 1 AND 2000),
  ADD CHECK (overhead_tokens >= 0 AND overhead_tokens_per_message >= 0),
  ADD CHECK (image_tokens_max > 0),
  ADD CHECK (coalesce(cardinality(endpoints), 0) > 0);
-- A reference to a credential, never a credential: a pasted secret does not fit.
ALTER TABLE "control"."deployments"
  ADD CHECK (credential ~ '^(env:[A-Z][A-Z0-9_]*|file:/.+)$'),
  ADD CHECK (head_timeout_ms > 0 AND idle_timeout_ms > 0);

-- Grants. Allowlist, budget, RPM and expiry are fixed at mint (spec TL-3): the application may only revoke.
GRANT USAGE ON SCHEMA "control" TO control_app, control_relay;
GRANT SELECT ON "control"."plans", "control"."models", "control"."deployments" TO control_app;
GRANT SELECT, INSERT ON "control"."users", "control"."accounts", "control"."memberships", "control"."keys",
  "control"."key_projection_outbox" TO control_app;
-- On accounts for its row lock alone (parallel mints queue on it); the plan is the operator's to change.
GRANT UPDATE (name) ON "control"."accounts" TO control_app;
GRANT UPDATE (revoked_at, version) ON "control"."keys" TO control_app;
GRANT SELECT, INSERT, DELETE ON "control"."sessions" TO control_app;
GRANT UPDATE (last_seen_at, idle_expires_at, revoked_at) ON "control"."sessions" TO control_app;
-- The relay carries keys of all accounts to Redis. Plans are no account's data, and an allowlist is cut to its plan's.
GRANT SELECT ON "control"."plans", "control"."accounts", "control"."keys" TO control_relay;
GRANT SELECT, DELETE ON "control"."key_projection_outbox" TO control_relay;

-- Row-level security. A setting that was once set in a connection reads '' afterwards, not NULL, hence nullif.
ALTER TABLE "control"."accounts" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."accounts" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."memberships" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."memberships" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."keys" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."keys" FORCE ROW LEVEL SECURITY;
ALTER TABLE "control"."key_projection_outbox" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "control"."key_projection_outbox" FORCE ROW LEVEL SECURITY;

CREATE POLICY of_account ON "control"."accounts" FOR ALL TO control_app
  USING (id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY of_account ON "control"."memberships" FOR ALL TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY of_account ON "control"."keys" FOR ALL TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY of_account ON "control"."key_projection_outbox" FOR ALL TO control_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);

-- Sign-in knows the user before it knows the account.
CREATE POLICY of_user ON "control"."memberships" FOR SELECT TO control_app
  USING (user_id = nullif(current_setting('app.user_id', true), '')::uuid);
CREATE POLICY of_user ON "control"."accounts" FOR SELECT TO control_app
  USING (EXISTS (SELECT FROM "control"."memberships" m WHERE m.account_id = accounts.id
    AND m.user_id = nullif(current_setting('app.user_id', true), '')::uuid));

CREATE POLICY relay_reads ON "control"."accounts" FOR SELECT TO control_relay USING (true);
CREATE POLICY relay_reads ON "control"."keys" FOR SELECT TO control_relay USING (true);
CREATE POLICY relay_drains ON "control"."key_projection_outbox" FOR ALL TO control_relay USING (true);

-- FORCE binds the owner too; seeding, operating and auditing need it whole.
CREATE POLICY owner_operates ON "control"."accounts" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."memberships" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."keys" FOR ALL TO CURRENT_USER USING (true);
CREATE POLICY owner_operates ON "control"."key_projection_outbox" FOR ALL TO CURRENT_USER USING (true);
