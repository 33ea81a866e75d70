import { z } from 'zod';

/** What of an account may have changed. Who hears of it asks again: the data itself is never sent along. */
export const CHANGE_KINDS = ['activity', 'usage', 'keys', 'projects', 'members', 'tokens', 'account'] as const;
export const changeKindSchema = z.enum(CHANGE_KINDS);
export type ChangeKind = z.infer<typeof changeKindSchema>;

/**
 * `account.changed.v1` (core NATS, subject per account), after COMMIT only. Best effort: who missed some is told to start anew.
 * Kinds of a later release are left out.
 */
export const accountChangedSchema = z.object({
  v: z.literal(1),
  kinds: z.array(z.string()).transform((kinds) => kinds.filter((kind): kind is ChangeKind => isChangeKind(kind))),
});
export type AccountChanged = z.input<typeof accountChangedSchema>;

function isChangeKind(kind: string): boolean {
  return (CHANGE_KINDS as readonly string[]).includes(kind);
}
