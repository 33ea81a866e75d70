import { DISK_FAULTS } from './disk-faults.js';
import { estimatesFirst } from './estimates.js';
import { FAIL_POINT_FAULTS } from './fail-points.js';
import type { FaultKind } from './fault.types.js';
import { HARSH_FAULTS } from './harsh-faults.js';
import { NETWORK_FAULTS } from './network-faults.js';
import { poisonStream } from './poison.js';
import { PROCESS_FAULTS } from './process-faults.js';
import { STORE_FAULTS } from './store-faults.js';

export const ALL_FAULTS: readonly FaultKind[] = [
  ...PROCESS_FAULTS,
  ...NETWORK_FAULTS,
  ...STORE_FAULTS,
  ...FAIL_POINT_FAULTS,
  ...DISK_FAULTS,
  ...HARSH_FAULTS,
  poisonStream,
  estimatesFirst,
];
