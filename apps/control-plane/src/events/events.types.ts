import type { ChangeKind } from '@tensorloop/contracts/account-changed';

/**
 * `changed` names what to ask for again; `reset`: some changes were missed, so ask for all; `ready`: the stream stands. Its id is null
 * where missed events follow it: the client's last id stays what it was until they have come.
 */
export type LiveEvent =
  | { id: string; type: 'changed'; kinds: readonly ChangeKind[] }
  | { id: string; type: 'reset' }
  | { id: string | null; type: 'ready' };

export type LiveListener = (event: LiveEvent) => void;
