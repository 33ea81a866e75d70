import type { PriceVersion } from '@tensorloop/contracts/price-book';
import type { RequestCompleted } from '@tensorloop/contracts/request-completed';
import { DIMENSIONS, type Usage } from '@tensorloop/contracts/usage';
import { budgetWindow, utcDay } from '@tensorloop/kernel/budget-window';
import { uuid7 } from '@tensorloop/kernel/uuid7';

export const PRICE: PriceVersion = {
  id: uuid7(),
  model: 'test-model',
  effectiveFromMs: 0,
  effectiveToMs: null,
  rates: { input: '0.15', input_cache_read: '0.075', output: '0.60', output_reasoning: '0.333333333333' },
};

export interface Tenant {
  accountId: string;
  accountTag: string;
  keyId: string;
  mintedAtMs: number;
}

let tags = 0;

export function newTenant(): Tenant {
  tags += 1;
  return {
    accountId: uuid7(),
    accountTag: `acc${String(tags).padStart(5, '0')}`,
    keyId: uuid7(),
    mintedAtMs: Date.now() - 60_000,
  };
}

/** Nano-USD of one dimension as a fraction in lowest steps: independent of the code under test. Ties go to the even side. */
export function oracleNanoUsd(quantity: number, unitPrice: string): bigint {
  const [whole = '', fraction = ''] = unitPrice.split('.');
  // USD per million × 1,000 = nano-USD per unit.
  const numerator = BigInt(quantity) * BigInt(whole + fraction) * 1_000n;
  const denominator = 10n ** BigInt(fraction.length);
  const floor = numerator / denominator;
  const rest = 2n * (numerator - floor * denominator);
  if (rest < denominator) return floor;
  if (rest > denominator) return floor + 1n;
  return floor + (floor & 1n);
}

export function oracleCharge(price: PriceVersion, usage: Usage): bigint {
  return DIMENSIONS.reduce((sum, dimension) => sum + oracleNanoUsd(usage[dimension] ?? 0, price.rates[dimension] ?? '0'), 0n);
}

export interface EventOptions {
  tenant?: Tenant;
  usage?: Usage;
  admittedAtMs?: number;
  price?: PriceVersion;
  gatewayId?: string;
  holdNanoUsd?: bigint;
}

/** A correct event, as a gateway would send it. */
export function newEvent(options: EventOptions = {}): RequestCompleted {
  const { tenant = newTenant(), usage = { input: 1_000, output: 200 }, admittedAtMs = Date.now(), price = PRICE } = options;
  const window = budgetWindow(tenant.mintedAtMs, admittedAtMs);
  const cost = oracleCharge(price, usage);
  const hold = options.holdNanoUsd ?? cost + 1_000n;
  const charge = cost < hold ? cost : hold;
  return {
    v: 1,
    requestId: uuid7(admittedAtMs),
    accountId: tenant.accountId,
    accountTag: tenant.accountTag,
    keyId: tenant.keyId,
    model: price.model,
    endpoint: 'chat.completions',
    gatewayId: options.gatewayId ?? 'gateway-1',
    stream: true,
    admittedAtMs,
    windowIndex: window.index,
    windowStartMs: window.startMs,
    day: utcDay(admittedAtMs),
    priceVersionId: price.id,
    holdNanoUsd: hold.toString(),
    chargeNanoUsd: charge.toString(),
    overrunNanoUsd: (cost - charge).toString(),
    usage,
    estimated: false,
    outcome: 'completed',
    httpStatus: 200,
    completedAtMs: admittedAtMs + 800,
    latencyMs: 800.5,
    firstByteMs: 120.25,
    attempts: [{ provider: 'openai', upstreamModel: price.model, status: 200, failure: null, latencyMs: 790 }],
  };
}
