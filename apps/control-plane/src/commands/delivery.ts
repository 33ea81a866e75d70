import type { AdminRepository } from './admin.repository.js';
import { CommandFailed } from './outcome.js';

/** Says that a change is in force at gateways, or fails: then it is saved, and will be once the control plane runs. */
export async function reportDelivery(admin: AdminRepository, accountId: string | null, what: string): Promise<void> {
  if (await admin.isDelivered(accountId)) return console.log(`${what} Gateways go by it.`);
  throw new CommandFailed(
    `${what} It is saved, but gateways were not told yet: that needs a running control plane and Redis. It happens by itself.`,
  );
}
