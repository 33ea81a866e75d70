/** Every NATS name in the product, in one place. */

/** JetStream stream of billable facts. Limits retention: consumed messages stay for replay. */
export const REQUESTS_STREAM = 'REQUESTS';
export const REQUEST_COMPLETED = 'request.completed.v1';
/** Several of them in one message: see `completed-batch.ts`. */
export const REQUEST_COMPLETED_BATCH = 'request.completed.batch.v1';
/** Metering's durable pull consumer on it; replicas share it. */
export const METERING_CONSUMER = 'metering';

/** JetStream KV bucket of versioned snapshots, and its keys. */
export const SNAPSHOTS_BUCKET = 'snapshots';
export const PRICE_BOOK_KEY = 'price-book';
export const MODEL_CATALOGUE_KEY = 'model-catalogue';

/** JetStream KV bucket of gateway heartbeats. */
export const GATEWAYS_BUCKET = 'gateways';

/** Core NATS: settle-acks to one gateway. */
export function gatewaySettledSubject(gatewayId: string): string {
  return `gateway.${gatewayId}.settled.v1`;
}
/** Core NATS request to all gateways. */
export const GATEWAY_REASSERT = 'gateway.reassert.v1';

/** The contract of refusals. */
export const REQUEST_REFUSED = 'request.refused.v1';
/** Where they are published, by core NATS: outside `request.>`, which the stream of billable facts keeps. */
export const REQUEST_REFUSED_SUBJECT = 'gateway.refused.v1';

/** The contract of changes, and where those of one account are published, by core NATS. */
export const ACCOUNT_CHANGED = 'account.changed.v1';
export function accountChangedSubject(accountId: string): string {
  return `account.${accountId}.changed.v1`;
}

/** RPC patterns (Nest's NATS transport): `<service>.<noun>.<verb>.v<n>`. */
export const RPC = {
  controlKeyProject: 'control.key.project.v1',
  meteringTotalsGet: 'metering.totals.get.v1',
  /** The same, asked of every replica at once. */
  meteringTotalsGetOfAny: 'metering.totals.get-of-any.v1',
  meteringActivityList: 'metering.activity.list.v1',
  meteringUsageSeriesGet: 'metering.usage-series.get.v1',
  meteringUsageSummaryGet: 'metering.usage-summary.get.v1',
  meteringRefusalsList: 'metering.refusals.list.v1',
  meteringRequestGet: 'metering.request.get.v1',
  meteringKeyUsageList: 'metering.key-usage.list.v1',
} as const;
