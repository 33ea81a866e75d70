import { type KeyCreate, keyCreatedSchema, meSchema } from '@tensorloop/contracts/dashboard-api';
import { grantCredit, setAccountKind, setAccountPlan, setDailyLimit } from '@tensorloop/db/operator';
import { parseUsd } from '@tensorloop/kernel/money';
import { request } from 'undici';
import type { Installation } from '../topology/installation.js';

/** The operator's plan for load runs: its ceilings are out of reach. */
const PLAN = 'internal';
const REQUEST_MS_MAX = 15_000;
const PASSWORD = 'a long enough password';

export interface LoadKey {
  id: string;
  text: string;
  accountId: string;
  /** Null = only its plan's, out of reach. */
  budgetNanoUsd: bigint | null;
}

export interface Grant {
  accountId: string;
  /** Before which the credit could not have been spent. */
  grantedAtMs: number;
  nanoUsd: bigint;
  usd: string;
  idempotencyKey: string;
}

/** One account as its owner uses it. */
export class Tenant {
  private cookie = '';
  accountId = '';

  constructor(
    private readonly controlPlaneUrl: string,
    readonly email: string,
  ) {}

  async signUp(): Promise<void> {
    await this.send('POST', '/api/auth/sign-up', { email: this.email, password: PASSWORD });
    this.accountId = meSchema.parse(await this.send('GET', '/api/me')).account.id;
  }

  async mint(key: Partial<KeyCreate> = {}): Promise<LoadKey> {
    const created = keyCreatedSchema.parse(await this.send('POST', '/api/keys', { name: 'a key', ...key }));
    const budgetNanoUsd = key.budgetUsd === undefined ? null : parseUsd(key.budgetUsd);
    return { id: created.id, text: created.key, accountId: this.accountId, budgetNanoUsd };
  }

  async send(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown> {
    const response = await request(new URL(path, this.controlPlaneUrl), {
      method,
      headers: {
        origin: this.controlPlaneUrl,
        ...(this.cookie === '' ? {} : { cookie: this.cookie }),
        ...(body ? { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() } : {}),
      },
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.body.text();
    if (response.statusCode >= 300)
      throw new Error(`${method} ${path} was answered ${response.statusCode}: ${text.slice(0, 300)}`);
    const cookies = [response.headers['set-cookie'] ?? []].flat();
    if (cookies.length > 0) this.cookie = cookies.map((cookie) => cookie.split(';')[0]).join('; ');
    return text === '' ? null : JSON.parse(text);
  }
}

/** What may be spent, for whoever checks that no more was. */
export interface Limits {
  keys: Map<string, bigint>;
  /** Per UTC day of the account. */
  days: Map<string, bigint>;
  /** Of prepaid accounts, in the order of granting. */
  grants: Grant[];
}

interface Accounts {
  open: Tenant;
  budgeted: Tenant;
  prepaid: Tenant;
  daily: Tenant;
}

/** The accounts that the load spends from: one of each kind. */
export class Tenants {
  readonly limits: Limits = { keys: new Map(), days: new Map(), grants: [] };
  private constructor(
    private readonly installation: Installation,
    readonly accounts: Accounts,
  ) {}

  static async create(installation: Installation): Promise<Tenants> {
    const { owner } = installation.databaseUrls;
    const create = async (name: string) => {
      const tenant = new Tenant(installation.urlOf('control-plane'), `${name}@example.test`);
      await tenant.signUp();
      await setAccountPlan(owner, tenant.accountId, PLAN);
      return tenant;
    };
    const [open, budgeted, prepaid, daily] = await Promise.all([
      create('open'),
      create('budgeted'),
      create('prepaid'),
      create('daily'),
    ]);
    await setAccountKind(owner, prepaid.accountId, 'prepaid');
    return new Tenants(installation, { open, budgeted, prepaid, daily });
  }

  async mintBudgeted(budgetUsd: string): Promise<LoadKey> {
    const key = await this.accounts.budgeted.mint({ budgetUsd });
    this.limits.keys.set(key.id, parseUsd(budgetUsd));
    return key;
  }

  async limitDay(usd: string): Promise<void> {
    this.limits.days.set(this.accounts.daily.accountId, parseUsd(usd));
    await setDailyLimit(this.installation.databaseUrls.owner, this.accounts.daily.accountId, usd);
  }

  async grant(usd: string): Promise<void> {
    const grant: Grant = {
      accountId: this.accounts.prepaid.accountId,
      grantedAtMs: Date.now(),
      nanoUsd: parseUsd(usd),
      usd,
      idempotencyKey: crypto.randomUUID(),
    };
    // Noted first: a credit whose answer was lost may have been given. The books say afterwards which ones were.
    this.limits.grants.push(grant);
    await this.grantAgain(grant);
  }

  /** The same credit grants nothing more; after a restored database it is what was lost. */
  async grantAgain({ accountId, usd, idempotencyKey }: Grant): Promise<void> {
    await grantCredit(this.installation.databaseUrls.owner, accountId, { usd, note: 'chaos', idempotencyKey });
  }
}
