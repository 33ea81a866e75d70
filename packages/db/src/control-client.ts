import { PrismaPg } from '@prisma/adapter-pg';
import { type Prisma, PrismaClient } from './generated/client.js';

/** Upper bounds of one control-plane process. */
const APP_CONNECTIONS_MAX = 10;
const RELAY_CONNECTIONS_MAX = 3;
const OPERATOR_CONNECTIONS_MAX = 3;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 10_000;
const TRANSACTION_WAIT_MS_MAX = 5_000;
const TRANSACTION_MS_MAX = 10_000;

type GlobalTable = 'plan' | 'model' | 'deployment';
type SecuredTable =
  | 'user'
  | 'session'
  | 'identity'
  | 'mailToken'
  | 'operator'
  | 'account'
  | 'membership'
  | 'invite'
  | 'managementToken'
  | 'project'
  | 'key'
  | 'keyProjectionOutbox'
  | 'auditEntry'
  | 'auditHead'
  | 'idempotentRequest';
type RelayTable = 'plan' | 'account' | 'project' | 'key' | 'keyProjectionOutbox';
type OperatorTable = 'plan' | 'user' | 'operator' | 'account' | 'membership' | 'project' | 'key' | 'keyProjectionOutbox';

/** Tables of nobody's data; outside a transaction the others show no rows. */
export type ControlGlobal = Pick<PrismaClient, GlobalTable>;
/** A transaction of the control plane. `$queryRaw` is for row locks and functions, which Prisma cannot express. */
export type ControlTransaction = Pick<Prisma.TransactionClient, GlobalTable | SecuredTable | '$queryRaw'>;
/**
 * Whose rows a transaction may see (row-level security). A user and a session are found by what the caller presents, an
 * address or the hash of a token, or by the user's id: nothing lists those of everybody.
 */
export interface Scope {
  accountId?: string;
  userId?: string;
  email?: string;
  sessionHash?: string;
  /** SHA-256 of a token out of a mail, of an invitation's or of a management token, hex. */
  presentedHash?: string;
  /** Issuer and subject at an identity provider, with a blank between. */
  identity?: string;
}
/** A transaction of role control_operator. Of users and keys name the columns: password and key hash are not granted. */
export type OperatorTransaction = Pick<Prisma.TransactionClient, OperatorTable | '$queryRaw'>;
/** What role control_relay sees: keys of all accounts, to be carried to Redis. `$queryRaw` is for its functions. */
export type RelayTables = Pick<PrismaClient, RelayTable | '$queryRaw'>;

function connect(url: string, name: string, connectionsMax: number): PrismaClient {
  const adapter = new PrismaPg({
    connectionString: url,
    application_name: name,
    max: connectionsMax,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: TRANSACTION_MS_MAX * 2,
  });
  return new PrismaClient({ adapter, transactionOptions: { maxWait: TRANSACTION_WAIT_MS_MAX, timeout: TRANSACTION_MS_MAX } });
}

/** The control plane's way to PostgreSQL (role control_app). */
export class ControlClient {
  readonly #prisma: PrismaClient;

  constructor(url: string) {
    this.#prisma = connect(url, 'control-plane', APP_CONNECTIONS_MAX);
  }

  get global(): ControlGlobal {
    return this.#prisma;
  }

  /** A transaction that sees what the scope names. */
  within<T>(scope: Scope, work: (tx: ControlTransaction) => Promise<T>): Promise<T> {
    const { accountId = '', userId = '', email = '', sessionHash = '', presentedHash = '', identity = '' } = scope;
    return this.#prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT set_config('app.account_id', ${accountId}, true), set_config('app.user_id', ${userId}, true),
        set_config('app.email', ${email}, true), set_config('app.session_hash', ${sessionHash}, true),
        set_config('app.presented_hash', ${presentedHash}, true), set_config('app.identity', ${identity}, true)`;
      return work(tx);
    });
  }

  /** A transaction that sees the rows of one account. */
  withAccount<T>(accountId: string, work: (tx: ControlTransaction) => Promise<T>): Promise<T> {
    return this.within({ accountId }, work);
  }

  /** A transaction that sees a user's own memberships and their accounts: for sign-in, before the account is known. */
  withUser<T>(userId: string, work: (tx: ControlTransaction) => Promise<T>): Promise<T> {
    return this.within({ userId }, work);
  }

  /** Throws when the database does not answer. */
  async ping(): Promise<void> {
    await this.#prisma.$queryRaw`SELECT 1`;
  }

  async close(): Promise<void> {
    await this.#prisma.$disconnect();
  }
}

/** The key relay's way to PostgreSQL (role control_relay). */
export class RelayClient {
  readonly #prisma: PrismaClient;

  constructor(url: string) {
    this.#prisma = connect(url, 'control-plane-relay', RELAY_CONNECTIONS_MAX);
  }

  get tables(): RelayTables {
    return this.#prisma;
  }

  async ping(): Promise<void> {
    await this.#prisma.$queryRaw`SELECT 1`;
  }

  async close(): Promise<void> {
    await this.#prisma.$disconnect();
  }
}

/** The operators' way to PostgreSQL (role control_operator): reads across accounts, changes the one that is named. */
export class OperatorClient {
  readonly #prisma: PrismaClient;

  constructor(url: string) {
    this.#prisma = connect(url, 'control-plane-operator', OPERATOR_CONNECTIONS_MAX);
  }

  /** A transaction that sees accounts of everybody and changes none. */
  read<T>(work: (tx: OperatorTransaction) => Promise<T>): Promise<T> {
    return this.withAccount('', work);
  }

  /** A transaction that may change one account. */
  withAccount<T>(accountId: string, work: (tx: OperatorTransaction) => Promise<T>): Promise<T> {
    return this.#prisma.$transaction(async (tx) => {
      await tx.$executeRaw`SELECT set_config('app.account_id', ${accountId}, true)`;
      return work(tx);
    });
  }

  async ping(): Promise<void> {
    await this.#prisma.$queryRaw`SELECT 1`;
  }

  async close(): Promise<void> {
    await this.#prisma.$disconnect();
  }
}
