import { z } from 'zod';
import { endpointSchema } from './endpoint.js';
import { modelIdSchema, unixMsSchema } from './identity.js';

/** Tokenizers that gateways can count with. */
export const TOKENIZERS = ['o200k_base'] as const;

export const PROVIDERS = ['openai', 'azure-openai', 'anthropic'] as const;

/** One way to serve a model. `credential` names what the gateway resolves locally (`env:OPENAI_API_KEY`); null = none sent. */
export const deploymentSchema = z.object({
  id: z.string().min(1).max(64),
  /** The wire format and manner of authentication: one adapter folder per name in the gateway. */
  provider: z.enum(PROVIDERS),
  /** Up to and including the version segment: "https://api.openai.com/v1". */
  baseUrl: z.url(),
  upstreamModel: z.string().min(1).max(128),
  credential: z
    .string()
    .regex(/^(env:[A-Z][A-Z0-9_]*|file:\/.+)$/)
    .nullable(),
  /** Time to the response head. */
  headTimeoutMs: z.number().int().positive(),
  /** Longest silence between two chunks of a body. */
  idleTimeoutMs: z.number().int().positive(),
  /** Tried in ascending order of priority; among equals, chosen at random in proportion to weight. Weight 0 = never chosen. */
  priority: z.number().int().nonnegative().default(0),
  weight: z.number().int().nonnegative().max(1_000_000).default(1),
  /** Calls in flight to it from one gateway; null = unlimited. */
  concurrencyMax: z.number().int().positive().nullable().default(null),
  /** Calls that may wait for a place; above it the next deployment is tried. */
  queueMax: z.number().int().nonnegative().default(0),
  /** Azure's `api-version` query parameter; null elsewhere. */
  apiVersion: z.string().max(32).nullable().default(null),
});
export type Deployment = z.infer<typeof deploymentSchema>;

/** A public model. Limits are in tokens. */
export const modelSchema = z.object({
  id: modelIdSchema,
  ownedBy: z.string().max(64),
  createdAtMs: unixMsSchema,
  endpoints: z.array(endpointSchema).min(1),
  contextTokens: z.number().int().positive(),
  maxOutputTokens: z.number().int().positive(),
  /** Tokens per prompt byte at worst, times 1,000. Byte-level BPE never exceeds 1,000 (one token a byte). */
  tokensPerKilobyteMax: z.number().int().positive().max(2_000),
  /** Tokens the provider's chat template may add to a prompt beyond its bytes: fixed part, and per message. */
  overheadTokens: z.number().int().nonnegative(),
  overheadTokensPerMessage: z.number().int().nonnegative(),
  /**
   * The tokenizer that every deployment of the model is known to use, of which the gateway has a copy: near a limit the texts of a
   * prompt are then counted instead of bounded by their bytes. Absent or null = not known, and never guessed.
   */
  tokenizer: z.enum(TOKENIZERS).nullish(),
  /** Worst-case tokens of one image given by reference; null = images are refused. */
  imageTokensMax: z.number().int().positive().nullable(),
  isRetired: z.boolean(),
  /** Other ids under which clients may ask for it. Allowlist, price and records use `id`. */
  aliases: z.array(modelIdSchema).default([]),
  deployments: z.array(deploymentSchema),
});
export type Model = z.infer<typeof modelSchema>;

/** Snapshot in the JetStream KV bucket `snapshots`, key `model-catalogue`: written by the control plane. */
export const modelCatalogueSchema = z.object({ v: z.literal(1), revision: z.number().int(), models: z.array(modelSchema) });
export type ModelCatalogue = z.infer<typeof modelCatalogueSchema>;
