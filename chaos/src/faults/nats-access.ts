import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { Installation } from '../topology/installation.js';

/** Past every proxy: the harness is no part of what it harms. */
export async function withNats<Result>(
  installation: Pick<Installation, 'part'>,
  work: (connection: NatsConnection) => Promise<Result>,
): Promise<Result> {
  const connection = await connect({ servers: installation.part('nats').url, reconnect: false });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}
