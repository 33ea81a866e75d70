import type { ChangeKind } from '@tensorloop/contracts/account-changed';

/** `changed` names what to ask for again; `reset`: some changes were missed, so ask for all; `ready`: the stream stands. */
export type LiveEvent = { id: string; type: 'changed'; kinds: readonly ChangeKind[] } | { id: string; type: 'reset' | 'ready' };

export type LiveListener = (event: LiveEvent) => void;
