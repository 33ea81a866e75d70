import { isGateway, type PartName } from '../topology/parts.js';
import type { DeathNote, FaultContext } from './fault.types.js';

const STARTS_MAX = 3;

/** Starts a part again. One that does not come up is a finding; it is given more chances, because the run has to go on. */
export async function startAgain({ installation, log }: FaultContext, name: PartName): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await installation.part(name).restart();
      return;
    } catch (error) {
      log(`FINDING: ${name} did not come up: ${error instanceof Error ? error.message : String(error)}`);
      if (attempt === STARTS_MAX) throw error;
    }
  }
}

/** Notes a gateway's death for the checks, which ask whose calls may be estimates. */
export function noteDeath({ facts }: FaultContext, name: string): DeathNote {
  return isGateway(name) ? facts.gatewayDies(name) : () => undefined;
}
