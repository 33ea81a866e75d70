import type { LinkMode } from '../topology/link.js';
import { LINKS, type LinkName } from '../topology/parts.js';
import type { FaultKind } from './fault.types.js';

const HOLD_MS = { min: 300, max: 6_000 };
const DELAY_MS = { min: 30, max: 400 };

function networkFault(mode: Exclude<LinkMode, 'open'>, weight: number): FaultKind {
  return {
    kind: `${mode} network`,
    weight,
    draw: (random) => ({
      target: random.pick(LINKS),
      holdMs: random.between(HOLD_MS.min, HOLD_MS.max),
      detail: mode === 'slow' ? { delayMs: random.between(DELAY_MS.min, DELAY_MS.max) } : {},
    }),
    locks: ({ target }) => [target],
    inject: async ({ installation }, { target, detail }) => {
      const link = installation.network.link(target as LinkName);
      link.set(mode, Number(detail.delayMs ?? 0));
      return async () => link.set('open');
    },
  };
}

export const NETWORK_FAULTS: readonly FaultKind[] = [
  networkFault('cut', 12),
  networkFault('blackhole', 8),
  networkFault('slow', 5),
];
