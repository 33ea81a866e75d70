-- Prepaid accounts, and limits of a key beside its budget and its rate.
ALTER TABLE "control"."accounts" ADD COLUMN "kind" TEXT NOT NULL DEFAULT 'metered';
ALTER TABLE "control"."keys" ADD COLUMN "tpm" INTEGER, ADD COLUMN "parallel_max" INTEGER;

-- From here on by hand: what the models cannot say, and metering's side.
ALTER TABLE "control"."accounts" ADD CHECK (kind IN ('metered', 'prepaid'));
ALTER TABLE "control"."keys" ADD CHECK (tpm > 0), ADD CHECK (parallel_max > 0);

-- Whether the account was prepaid when the call was admitted. A metering of the release before writes none of these.
ALTER TABLE metering.usage ADD COLUMN is_prepaid boolean NOT NULL DEFAULT false;

-- Of the scope `balance` alone: the sum of the account's grants. It and the total share one version.
ALTER TABLE metering.scope_totals ADD COLUMN limit_nano_usd bigint CHECK (limit_nano_usd >= 0);

-- Credit of an account. Append-only: what was granted by mistake is taken back by a correction in the ledger, not here.
CREATE TABLE metering.grants (
  account_id            uuid           NOT NULL,
  id                    uuid           NOT NULL,
  kind                  text           NOT NULL CHECK (kind IN ('credit', 'purchase', 'promotion')),
  amount_nano_usd       bigint         NOT NULL CHECK (amount_nano_usd > 0),
  created_at            timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  note                  text           NOT NULL,
  -- Whoever grants again with the same key grants once.
  idempotency_key       text           NOT NULL,
  ledger_transaction_id uuid           NOT NULL,
  PRIMARY KEY (account_id, id),
  UNIQUE (account_id, idempotency_key),
  FOREIGN KEY (account_id, ledger_transaction_id) REFERENCES metering.ledger_transactions (account_id, id)
);

-- prepaid: what we owe the account in calls (credit < 0). funding: where grants come from, a payment or our own pocket (debit > 0).
ALTER TABLE metering.ledger_transactions DROP CONSTRAINT ledger_transactions_kind_check,
  ADD CONSTRAINT ledger_transactions_kind_check CHECK (kind IN ('usage', 'grant'));
ALTER TABLE metering.ledger_entries DROP CONSTRAINT ledger_entries_ledger_account_check,
  ADD CONSTRAINT ledger_entries_ledger_account_check CHECK (ledger_account IN ('receivable', 'prepaid', 'revenue', 'funding'));

ALTER TABLE metering.grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE metering.grants FORCE ROW LEVEL SECURITY;
CREATE POLICY account_reads ON metering.grants FOR SELECT TO metering_app
  USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
CREATE POLICY ingest ON metering.grants FOR ALL TO metering_ingest USING (true) WITH CHECK (true);
CREATE POLICY owner_audits ON metering.grants FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT ON metering.grants TO metering_app;
GRANT SELECT, INSERT ON metering.grants TO metering_ingest;

-- An operator grants as the owner, who may write this and nothing else of an account.
CREATE POLICY owner_grants ON metering.grants FOR INSERT TO CURRENT_USER WITH CHECK (true);
CREATE POLICY owner_grants ON metering.ledger_transactions FOR INSERT TO CURRENT_USER WITH CHECK (kind = 'grant');
CREATE POLICY owner_grants ON metering.ledger_entries FOR INSERT TO CURRENT_USER
  WITH CHECK (ledger_account IN ('prepaid', 'funding'));
CREATE POLICY owner_grants ON metering.scope_totals FOR INSERT TO CURRENT_USER WITH CHECK (scope = 'balance');
CREATE POLICY owner_raises ON metering.scope_totals FOR UPDATE TO CURRENT_USER
  USING (scope = 'balance') WITH CHECK (scope = 'balance');
