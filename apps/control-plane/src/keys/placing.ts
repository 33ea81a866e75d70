import { refuseOwner, refuseProject } from './keys.rules.js';
import type { KeyChange, KeyRefusal } from './keys.types.js';
import type { LockedAccount } from './locked-account.repository.js';

/** Whom and what a key is given to must be of the same account; null and what is left out need no look. */
export async function refusePlacing(
  account: LockedAccount,
  { projectId = null, ownerUserId = null }: Pick<KeyChange, 'projectId' | 'ownerUserId'>,
): Promise<KeyRefusal | null> {
  const refusal = projectId === null ? null : refuseProject(await account.findProject(projectId));
  if (refusal !== null || ownerUserId === null) return refusal;
  return refuseOwner(await account.isMember(ownerUserId));
}
