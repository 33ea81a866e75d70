import type { KeyProjection } from '@tensorloop/contracts/key-projection';
import {
  BALANCE_SCOPE,
  dayScope,
  projectScope,
  type Scope,
  type ScopeTotal,
  windowScope,
} from '@tensorloop/contracts/settle-ack';
import { utcDay } from '@tensorloop/kernel/budget-window';

interface Pending {
  state: 'held' | 'settled';
  amount: bigint;
  scopes: Scope[];
}
interface Total {
  total: bigint | null;
  version: number;
  /** Of the balance: what was granted, as far as Redis has heard. */
  limit?: bigint;
}
export interface Settlement {
  requestIds: string[];
  totals: ScopeTotal[];
}

const REASONS: Record<string, [spent: string, held: string]> = {
  window: ['budget_exceeded', 'budget_held'],
  project: ['project_budget_exceeded', 'project_budget_held'],
  day: ['daily_limit_reached', 'daily_limit_held'],
  balance: ['insufficient_balance', 'balance_held'],
};
const kindOf = (scope: Scope) => scope.split(':')[0] as string;

/**
 * Admission and metering as plain sums, written without looking at the scripts' way of doing it: Redis' view (`pending`,
 * `known`) beside the truth (`committed`). Window 0 only. A prepaid key has a balance, which nobody knows at first.
 */
export class MoneyModel {
  readonly pending = new Map<string, Pending>();
  /** Absent: nothing was heard of the scope since it began. Total null: unknown; version −1 then: since Redis was lost. */
  readonly known = new Map<Scope, Total>();
  readonly committed = new Map<Scope, { total: bigint; version: number }>();
  /** Settled calls that metering has not committed yet. */
  readonly uncommitted = new Map<string, { amount: bigint; scopes: Scope[] }>();
  granted = 0n;

  constructor(readonly key: KeyProjection) {
    if (this.isPrepaid) this.known.set(BALANCE_SCOPE, { total: null, version: -1 });
  }

  private get isPrepaid(): boolean {
    return this.key.accountKind === 'prepaid';
  }

  scopesAt(nowMs: number): Scope[] {
    const { keyId, project } = this.key;
    const ofProject = project === undefined ? [] : [projectScope(project.id, 0)];
    return [windowScope(keyId, 0), ...ofProject, dayScope(utcDay(nowMs)), ...(this.isPrepaid ? [BALANCE_SCOPE] : [])];
  }

  /** An operator grants; the version of the balance rises although nothing was spent. */
  grant(amount: bigint): void {
    this.granted += amount;
    const before = this.committed.get(BALANCE_SCOPE) ?? { total: 0n, version: 0 };
    this.committed.set(BALANCE_SCOPE, { total: before.total, version: before.version + 1 });
  }

  pendingIn(scope: Scope, state: Pending['state']): bigint {
    return [...this.pending.values()]
      .filter((entry) => entry.state === state && entry.scopes.includes(scope))
      .reduce((sum, entry) => sum + entry.amount, 0n);
  }

  spent(scope: Scope): bigint {
    return (this.known.get(scope)?.total ?? 0n) + this.pendingIn(scope, 'settled');
  }

  /** What was truly spent or is still held: committed by metering, settled and on its way, in flight. */
  truth(scope: Scope): bigint {
    const onItsWay = [...this.uncommitted.values()]
      .filter((call) => call.scopes.includes(scope))
      .reduce((sum, call) => sum + call.amount, 0n);
    return (this.committed.get(scope)?.total ?? 0n) + onItsWay + this.pendingIn(scope, 'held');
  }

  /** The outcome that admission must have, and the hold. */
  admit(id: string, nowMs: number, { worst, least }: { worst: bigint; least: bigint }): { reason: string; hold: bigint } {
    const scopes = this.scopesAt(nowMs);
    if (scopes.some((scope) => this.known.get(scope)?.total === null)) return { reason: 'unknown_scope', hold: 0n };
    let hold = worst;
    for (const scope of scopes) {
      const limit = this.limitOf(scope);
      const left = limit - this.spent(scope);
      const free = left - this.pendingIn(scope, 'held');
      if (free < hold) hold = free;
      if (hold >= least) continue;
      const [spent, held] = REASONS[kindOf(scope)] as [string, string];
      return { reason: left < least ? spent : held, hold: 0n };
    }
    this.pending.set(id, { state: 'held', amount: hold, scopes });
    return { reason: 'admitted', hold };
  }

  private limitOf(scope: Scope): bigint {
    const { budgetNanoUsd, dailyLimitNanoUsd, project } = this.key;
    if (scope === BALANCE_SCOPE) return this.known.get(BALANCE_SCOPE)?.limit ?? 0n;
    const limits: Record<string, string | null | undefined> = {
      window: budgetNanoUsd,
      day: dailyLimitNanoUsd,
      project: project?.budgetNanoUsd,
    };
    return BigInt(limits[kindOf(scope)] as string);
  }

  settle(id: string, amount: bigint): string {
    const entry = this.pending.get(id);
    if (!entry) return 'missing';
    if (entry.state === 'settled') return 'already_settled';
    entry.state = 'settled';
    entry.amount = amount < entry.amount ? amount : entry.amount;
    this.uncommitted.set(id, { amount: entry.amount, scopes: entry.scopes });
    return 'settled';
  }

  release(id: string): string {
    const entry = this.pending.get(id);
    if (!entry) return 'missing';
    if (entry.state === 'settled') return 'already_settled';
    this.pending.delete(id);
    return 'released';
  }

  /** Metering commits up to `count` settled calls. Null when there are none. `withTotals` false: an acknowledgement that lacks them. */
  commit(count: number, withTotals: boolean): Settlement | null {
    const ids = [...this.uncommitted.keys()].slice(0, count);
    const touched = new Set<Scope>();
    for (const id of ids) {
      const call = this.uncommitted.get(id) as { amount: bigint; scopes: Scope[] };
      this.uncommitted.delete(id);
      for (const scope of call.scopes) {
        const before = this.committed.get(scope) ?? { total: 0n, version: 0 };
        this.committed.set(scope, {
          total: before.total + call.amount,
          version: before.version + (touched.has(scope) ? 0 : 1),
        });
        touched.add(scope);
      }
    }
    if (ids.length === 0) return null;
    return { requestIds: ids, totals: withTotals ? this.totalsOf([...touched]) : [] };
  }

  totalsOf(scopes: Scope[]): Settlement['totals'] {
    return scopes.map((scope) => {
      const { total, version } = this.committed.get(scope) ?? { total: 0n, version: 0 };
      const limit = scope === BALANCE_SCOPE ? { limitNanoUsd: this.granted.toString() } : {};
      return { scope, totalNanoUsd: total.toString(), version, ...limit };
    });
  }

  acknowledge({ requestIds, totals }: Settlement): void {
    const believed = totals.filter(({ scope }) => this.known.get(scope)?.total !== null);
    this.seed(believed);
    const covered = believed.map((total) => total.scope);
    for (const id of requestIds) {
      const entry = this.pending.get(id);
      if (!entry) continue;
      this.pending.delete(id);
      for (const scope of entry.scopes) {
        if (entry.amount > 0n && !covered.includes(scope))
          this.known.set(scope, {
            ...this.known.get(scope),
            total: null,
            version: Math.max(0, this.known.get(scope)?.version ?? 0),
          });
      }
    }
  }

  seed(totals: Settlement['totals']): void {
    for (const { scope, totalNanoUsd, version, limitNanoUsd } of totals) {
      const known = this.known.get(scope);
      const isNewer = known === undefined || version > known.version || (known.total === null && version === known.version);
      if (!isNewer) continue;
      const limit = limitNanoUsd === undefined ? {} : { limit: BigInt(limitNanoUsd) };
      this.known.set(scope, { total: BigInt(totalNanoUsd), version, ...limit });
    }
  }

  /** Redis was lost and rebuilt at `nowMs` from what is pending: totals of everything that had begun are unknown. */
  lose(nowMs: number): void {
    const pending = [...this.pending.values()].flatMap((entry) => entry.scopes);
    for (const scope of [...this.known.keys(), ...pending, ...this.scopesAt(nowMs)]) {
      this.known.set(scope, { total: null, version: -1 });
    }
  }
}
