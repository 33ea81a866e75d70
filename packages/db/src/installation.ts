import { uuid7 } from '@tensorloop/kernel/uuid7';
import type pg from 'pg';
import { type AuditedAct, appendAudit, asOwner, OperatorError } from './owner-connection.js';

/** What the operator's commands ask of the whole installation, with the owner's credentials. */

/** An address belongs to few accounts; more than this is not worth naming. */
const ACCOUNTS_NAMED_MAX = 20;
const ACCOUNTS_LISTED_MAX = 200;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export interface AccountLine {
  id: string;
  name: string;
  planId: string;
  status: 'active' | 'deleting' | 'disabled';
  members: string[];
  keysActive: number;
}

const ACCOUNT_LINES = `
  SELECT a.id, a.name, a.plan_id AS "planId",
    CASE WHEN a.disabled_at IS NOT NULL THEN 'disabled' WHEN a.delete_after IS NOT NULL THEN 'deleting' ELSE 'active' END AS status,
    array(SELECT u.email FROM control.memberships m JOIN control.users u ON u.id = m.user_id WHERE m.account_id = a.id ORDER BY 1 LIMIT 5) AS members,
    (SELECT count(*)::int FROM control.keys k WHERE k.account_id = a.id AND k.revoked_at IS NULL AND k.expires_at > now()) AS "keysActive"
  FROM control.accounts a`;

/** The accounts, newest first; with a text only those whose name, id or a member's address has it. */
export function listAccounts(ownerUrl: string, search: string): Promise<AccountLine[]> {
  return asOwner(ownerUrl, async (client) => {
    const { rows } = await client.query<AccountLine>(
      `${ACCOUNT_LINES} WHERE $1 = '' OR strpos(lower(a.name), lower($1)) > 0 OR a.id::text = $1 OR EXISTS (
         SELECT FROM control.memberships m JOIN control.users u ON u.id = m.user_id
         WHERE m.account_id = a.id AND strpos(u.email, lower($1)) > 0)
       ORDER BY a.id DESC LIMIT ${ACCOUNTS_LISTED_MAX}`,
      [search],
    );
    return rows;
  });
}

export interface ErasureLine {
  accountId: string;
  state: 'waiting' | 'due' | 'under_way' | 'failing';
  deleteAfter: Date;
  pieces: number;
  failures: number;
  lastError: string | null;
  nextTryAt: Date | null;
}

/** Deletions of accounts that are not carried out yet, the oldest first. */
export function listErasures(ownerUrl: string): Promise<ErasureLine[]> {
  return asOwner(ownerUrl, async (client) => {
    const { rows } = await client.query<ErasureLine>(
      `SELECT account_id AS "accountId", state, delete_after AS "deleteAfter", pieces, failures, last_error AS "lastError",
         next_try_at AS "nextTryAt"
       FROM control.erasures WHERE state <> 'erased' ORDER BY delete_after, account_id LIMIT ${ACCOUNTS_LISTED_MAX}`,
    );
    return rows;
  });
}

/** The account of this id, or the one account that this address belongs to. Throws where there is none, or more than one. */
export function findAccountId(ownerUrl: string, idOrEmail: string): Promise<string> {
  return asOwner(ownerUrl, async (client) => {
    const condition = UUID.test(idOrEmail)
      ? 'a.id = $1'
      : 'a.id IN (SELECT m.account_id FROM control.memberships m JOIN control.users u ON u.id = m.user_id WHERE u.email = lower($1))';
    const { rows } = await client.query<AccountLine>(`${ACCOUNT_LINES} WHERE ${condition} LIMIT ${ACCOUNTS_NAMED_MAX}`, [
      idOrEmail,
    ]);
    const [account, ...others] = rows;
    if (account === undefined) throw new OperatorError(`there is no account ${idOrEmail}`);
    if (others.length === 0) return account.id;
    const named = rows.map(({ id, name }) => `  ${id}  ${name}`).join('\n');
    throw new OperatorError(`${idOrEmail} belongs to several accounts; name one by its id:\n${named}`);
  });
}

/**
 * Makes a user an operator. False when the user is one already. Whoever signed up first with an address that nobody has
 * confirmed may be anybody, so that must be asked for.
 */
export function createOperator(
  ownerUrl: string,
  email: string,
  { allowsUnverified }: { allowsUnverified: boolean },
): Promise<boolean> {
  return asOwner(ownerUrl, async (client) => {
    const userId = await getUserId(client, email);
    if (!allowsUnverified) await requireVerified(client, userId, email);
    const { rowCount } = await client.query('INSERT INTO control.operators (user_id) VALUES ($1) ON CONFLICT DO NOTHING', [
      userId,
    ]);
    if (rowCount === 1) await tellAccounts(client, userId, { action: 'operator.created', details: {} });
    return rowCount === 1;
  });
}

/** False when the user was none. */
export function removeOperator(ownerUrl: string, email: string): Promise<boolean> {
  return asOwner(ownerUrl, async (client) => {
    const userId = await getUserId(client, email);
    const { rowCount } = await client.query('DELETE FROM control.operators WHERE user_id = $1', [userId]);
    if (rowCount === 1) await tellAccounts(client, userId, { action: 'operator.removed', details: {} });
    return rowCount === 1;
  });
}

/**
 * Closes every way in for a user, or opens it again. What the user had open is gone: sessions end at once, and management
 * tokens that the user made stop while the user is disabled.
 */
export function setUserDisabled(
  ownerUrl: string,
  email: string,
  { isDisabled, reason }: { isDisabled: boolean; reason: string },
): Promise<void> {
  return asOwner(ownerUrl, async (client) => {
    const userId = await getUserId(client, email);
    const disabledAt = isDisabled ? 'coalesce(disabled_at, now())' : 'NULL';
    await client.query(`UPDATE control.users SET disabled_at = ${disabledAt} WHERE id = $1`, [userId]);
    if (isDisabled) await client.query('DELETE FROM control.sessions WHERE user_id = $1', [userId]);
    await tellAccounts(client, userId, { action: isDisabled ? 'user.disabled' : 'user.enabled', details: { reason } });
  });
}

/** For an address that no mail reaches. False when nobody has it, or it is confirmed already. */
export function confirmAddress(ownerUrl: string, email: string): Promise<boolean> {
  return asOwner(ownerUrl, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      'UPDATE control.users SET email_verified_at = now() WHERE email = lower($1) AND email_verified_at IS NULL RETURNING id',
      [email],
    );
    const [user] = rows;
    if (user === undefined) return false;
    await tellAccounts(client, user.id, { action: 'user.email_verified', details: { proof: 'operator' } });
    return true;
  });
}

export function listOperators(ownerUrl: string): Promise<{ email: string; since: Date }[]> {
  return asOwner(ownerUrl, async (client) => {
    const { rows } = await client.query<{ email: string; since: Date }>(
      'SELECT u.email, o.created_at AS since FROM control.operators o JOIN control.users u ON u.id = o.user_id ORDER BY o.created_at',
    );
    return rows;
  });
}

async function getUserId(client: pg.Client, email: string): Promise<string> {
  const { rows } = await client.query<{ id: string }>('SELECT id FROM control.users WHERE email = lower($1)', [email]);
  const [user] = rows;
  if (user === undefined) throw new OperatorError(`nobody has signed up as ${email}; do that first, then repeat the command`);
  return user.id;
}

async function requireVerified(client: pg.Client, userId: string, email: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM control.users WHERE id = $1 AND email_verified_at IS NOT NULL', [
    userId,
  ]);
  if (rowCount === 1) return;
  throw new OperatorError(
    `nobody has confirmed ${email} yet, so whoever signed up with it may be somebody else. Let them confirm it by mail or Google; ` +
      'where neither is configured, and you know that it is them, repeat the command with --unverified',
  );
}

/** Users have no log of their own: it is told in every account where the user is a member. */
async function tellAccounts(client: pg.Client, userId: string, act: Omit<AuditedAct, 'subject'>): Promise<void> {
  const { rows } = await client.query<{ id: string }>(
    'SELECT account_id AS id FROM control.memberships WHERE user_id = $1 ORDER BY account_id',
    [userId],
  );
  // In order of ids: two commands at once take the locks of logs in the same order.
  for (const { id } of rows) await appendAudit(client, id, { ...act, subject: { kind: 'user', id: userId } });
}

/** Tells gateways of every account's keys again, account by account. Returns of how many. */
export function reprojectAll(ownerUrl: string): Promise<number> {
  return asOwner(ownerUrl, async (client) => {
    const { rows } = await client.query<{ accountId: string; id: string }>(
      'UPDATE control.keys SET version = version + 1 WHERE revoked_at IS NULL RETURNING account_id AS "accountId", id',
    );
    await client.query(
      'INSERT INTO control.key_projection_outbox (id, account_id, key_id) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])',
      [rows.map(() => uuid7()), rows.map(({ accountId }) => accountId), rows.map(({ id }) => id)],
    );
    return rows.length;
  });
}

/** Changes of keys that gateways were not told of yet; of one account or of all. */
export function countUndelivered(ownerUrl: string, accountId: string | null): Promise<number> {
  return asOwner(ownerUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      'SELECT count(*)::int FROM control.key_projection_outbox WHERE $1::uuid IS NULL OR account_id = $1',
      [accountId],
    );
    return rows[0]?.count ?? 0;
  });
}

export interface HashedKeys {
  /** By the number of the pepper, of keys that are neither revoked nor expired. */
  counts: { version: number; keys: number }[];
  /** Known by an older pepper than the newest: each dies with it unless somebody calls with it before. At most KEYS_NAMED_MAX. */
  behind: { accountId: string; id: string; name: string; preview: string; version: number }[];
  /** How many there are, named or not. */
  behindCount: number;
}

const KEYS_NAMED_MAX = 200;

/** Which peppers active keys are known by (docs/runbooks/pepper-rotation.md); behind `expected`, or behind the newest of any key. */
export function listHashedKeys(ownerUrl: string, expected: number | null = null): Promise<HashedKeys> {
  return asOwner(ownerUrl, async (client) => {
    const active = 'revoked_at IS NULL AND expires_at > now()';
    const counts = await client.query<HashedKeys['counts'][number]>(
      `SELECT hash_version AS version, count(*)::int AS keys FROM control.keys WHERE ${active} GROUP BY 1 ORDER BY 1`,
    );
    const behind = await client.query<HashedKeys['behind'][number] & { total: number }>(
      `SELECT account_id AS "accountId", id, name, preview, hash_version AS version, (count(*) OVER ())::int AS total FROM control.keys
       WHERE ${active} AND hash_version < coalesce($1::integer, (SELECT max(hash_version) FROM control.keys))
       ORDER BY account_id, id LIMIT ${KEYS_NAMED_MAX}`,
      [expected],
    );
    const behindCount = behind.rows[0]?.total ?? 0;
    return { counts: counts.rows, behind: behind.rows.map(({ total: _, ...key }) => key), behindCount };
  });
}

export interface VerifiedLog {
  accountId: string;
  entries: number;
  head: { sequence: number; hash: string };
  problems: string[];
}

/** The audit log of one account, or of all, verified from beginning to end. */
export function verifyAuditLogs(ownerUrl: string, accountId: string | null): Promise<VerifiedLog[]> {
  return asOwner(ownerUrl, async (client) => {
    // A log of millions takes longer than any statement of a service may.
    await client.query('SET LOCAL statement_timeout = 0');
    const { rows } = await client.query<VerifiedLog>(
      `SELECT a.id AS "accountId", v.checked::int AS entries,
         json_build_object('sequence', v.last_sequence, 'hash', v.last_hash) AS head,
         array(SELECT p ->> 'detail' FROM jsonb_array_elements(v.problems) AS p) AS problems
       FROM (SELECT account_id AS id FROM control.audit_heads UNION SELECT account_id FROM control.audit_entries) AS a
       CROSS JOIN LATERAL control.verify_audit(a.id) AS v WHERE $1::uuid IS NULL OR a.id = $1 ORDER BY a.id`,
      [accountId],
    );
    return rows;
  });
}
