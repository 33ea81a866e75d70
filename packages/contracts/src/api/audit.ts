import { z } from 'zod';
import { pageQueryShape, pageSchemaOf } from './pages.js';

/** The audit log of an account: who did what from where, for every change. Each entry is linked to the one before by its hash. */

const instantSchema = z.iso.datetime();
const hashSchema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits');

export const AUDIT_ACTOR_KINDS = ['user', 'token', 'operator', 'system'] as const;

export const auditEntrySchema = z.object({
  /** 1, 2, 3 … without gaps. */
  sequence: z.number().int(),
  time: instantSchema,
  /** `label` as it was then: an address, a token's name. */
  actor: z.object({ kind: z.enum(AUDIT_ACTOR_KINDS), id: z.uuid().nullable(), label: z.string() }),
  /** "key.minted": the noun, and what happened to it. */
  action: z.string(),
  subject: z.object({ kind: z.string(), id: z.string() }),
  /** What a reader needs to understand the change; never a secret. */
  details: z.record(z.string(), z.unknown()),
  /** The network that the request came from, "203.0.113.0/24"; empty where there was none. */
  ipPrefix: z.string(),
  userAgent: z.string(),
  requestId: z.string(),
  previousHash: hashSchema,
  hash: hashSchema,
});
export type AuditEntry = z.infer<typeof auditEntrySchema>;

export const auditPageSchema = pageSchemaOf(auditEntrySchema);
export type AuditPage = z.infer<typeof auditPageSchema>;

/** Neither control characters nor lone surrogates, which cannot be stored and so cannot be found. */
const searchedTextSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[^\p{Cc}\p{Cs}]*$/u, 'expected text without control characters');
/** PostgreSQL knows no year 0. */
const searchedInstantSchema = instantSchema.refine((time) => time >= '1970', 'expected an instant from 1970 on');

const filterShape = {
  actorId: z.uuid().optional(),
  actorKind: z.enum(AUDIT_ACTOR_KINDS).optional(),
  action: z
    .string()
    .max(100)
    .regex(/^[a-z_]+(\.[a-z_]+)*(\.\*)?$/, 'expected an action such as key.minted, or key.* for all of keys')
    .optional()
    .describe('One action, such as `key.minted`, or all of a noun: `key.*`.'),
  subjectKind: searchedTextSchema.optional(),
  subjectId: searchedTextSchema.optional(),
  from: searchedInstantSchema.optional().describe('Included.'),
  to: searchedInstantSchema.optional().describe('Not included.'),
};

/** Newest first. */
export const auditListQuerySchema = z.strictObject({ ...filterShape, ...pageQueryShape });
export type AuditListQuery = z.infer<typeof auditListQuerySchema>;

/** Oldest first, all of it. The chain can be verified from an export without filters. */
export const auditExportQuerySchema = z.strictObject({ ...filterShape, format: z.enum(['ndjson', 'csv']).default('ndjson') });
export type AuditExportQuery = z.infer<typeof auditExportQuerySchema>;
export type AuditFilter = Omit<AuditListQuery, 'cursor' | 'limit'>;

/** With an entry noted earlier: whether the log still has it. That is what finds a chain rewritten from some entry on. */
export const auditVerificationQuerySchema = z
  .strictObject({ sequence: z.coerce.number().int().min(1).optional(), hash: hashSchema.optional() })
  .refine(({ sequence, hash }) => (sequence === undefined) === (hash === undefined), 'give both sequence and hash, or neither');
export type AuditVerificationQuery = z.infer<typeof auditVerificationQuerySchema>;

export const AUDIT_PROBLEM_KINDS = ['changed', 'unlinked', 'missing', 'head'] as const;
export const auditProblemSchema = z.object({
  /**
   * `changed`: an entry is not what was hashed; `unlinked`: it does not follow from the one before; `missing`: numbers are
   * skipped; `head`: entries are missing at the end, or one was added there by hand.
   */
  kind: z.enum(AUDIT_PROBLEM_KINDS),
  sequence: z.number().int(),
  detail: z.string(),
});
export type AuditProblem = z.infer<typeof auditProblemSchema>;

export const auditVerificationSchema = z.object({
  /** All of the log was read, it is linked without a gap, and it has the noted entry if one was given. */
  isSound: z.boolean(),
  /** False: the log is longer than one request reads. Verify an export instead. */
  isComplete: z.boolean(),
  entries: z.number().int(),
  /** The last entry. Note it somewhere else, and ask again with it later. */
  head: z.object({ sequence: z.number().int(), hash: hashSchema }),
  noted: z.object({ sequence: z.number().int(), hash: hashSchema, isFound: z.boolean() }).nullable(),
  /** The first of each kind. */
  problems: z.array(auditProblemSchema),
  verifiedAt: instantSchema,
});
export type AuditVerification = z.infer<typeof auditVerificationSchema>;
