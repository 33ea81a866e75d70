import type { Random } from '../random.js';
import type { LoadKey, Tenants } from './tenants.js';

/** Of all calls; the rest is paid by keys whose limits are out of reach. */
const BUDGETED_SHARE = 0.14;
const PREPAID_SHARE = 0.12;
const DAILY_SHARE = 0.08;
/** A fresh budget every so often, small enough to be spent before the next one comes. */
const RENEW_MS = 20_000;
const BUDGET_USD = ['0.02', '0.05', '0.1'] as const;
const GRANT_USD = '0.08';
const FIRST_DAY_LIMIT_USD = '0.15';
const BUDGETED_KEYS_MAX = 3;

/** Who pays for the next call. Limits are reached again and again: one that nobody reaches proves nothing. */
export class Payers {
  private readonly budgeted: LoadKey[] = [];
  private readonly timer: NodeJS.Timeout;
  private renewing: Promise<void> = Promise.resolve();
  private isFrozen = false;

  private constructor(
    private readonly tenants: Tenants,
    private readonly random: Random,
    private readonly keys: { open: LoadKey[]; prepaid: LoadKey[]; daily: LoadKey[] },
  ) {
    this.timer = setInterval(() => {
      this.renewing = this.renewing.then(() => this.renew());
    }, RENEW_MS);
  }

  static async create(tenants: Tenants, random: Random): Promise<Payers> {
    const open = await Promise.all([1, 2, 3].map(() => tenants.accounts.open.mint()));
    const prepaid = await Promise.all([1, 2].map(() => tenants.accounts.prepaid.mint()));
    const daily = await Promise.all([1, 2].map(() => tenants.accounts.daily.mint()));
    await tenants.limitDay(FIRST_DAY_LIMIT_USD);
    const payers = new Payers(tenants, random, { open, prepaid, daily });
    await payers.renew();
    return payers;
  }

  choose(random: Random): LoadKey {
    const draw = random.next();
    if (draw < BUDGETED_SHARE && this.budgeted.length > 0) return random.pick(this.budgeted);
    if (draw < BUDGETED_SHARE + PREPAID_SHARE) return random.pick(this.keys.prepaid);
    if (draw < BUDGETED_SHARE + PREPAID_SHARE + DAILY_SHARE) return random.pick(this.keys.daily);
    return random.pick(this.keys.open);
  }

  /** From now on nothing is minted or granted: a restored database would not know it. */
  async freeze(): Promise<void> {
    this.isFrozen = true;
    await this.renewing;
  }
  thaw(): void {
    this.isFrozen = false;
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.renewing;
  }

  /** With the control plane or PostgreSQL down nothing can be minted or granted; the next round tries again. */
  private async renew(): Promise<void> {
    if (this.isFrozen) return;
    await Promise.allSettled([
      this.tenants.mintBudgeted(this.random.pick(BUDGET_USD)).then((key) => {
        this.budgeted.push(key);
        if (this.budgeted.length > BUDGETED_KEYS_MAX) this.budgeted.shift();
      }),
      this.tenants.grant(GRANT_USD),
    ]);
  }
}
