import { type Deployment, deploymentSchema, type Model, modelSchema } from '@tensorloop/contracts/model-catalogue';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';

const MODELS_MAX = 5_000;
const DEPLOYMENTS_PER_MODEL_MAX = 64;
const TIMEOUT_MS_DEFAULT = 60_000;
/** Byte-level BPE never exceeds one token a byte, so what nobody measured is still a bound. */
const TOKENS_PER_KILOBYTE_DEFAULT = 1_000;
const OVERHEAD_TOKENS_DEFAULT = 64;
const OVERHEAD_TOKENS_PER_MESSAGE_DEFAULT = 8;
/** OpenAI's model list requires `created`, and nobody is made to look it up. */
const CREATED_AT_DEFAULT = '2026-01-01T00:00:00Z';

const deploymentFileSchema = z.strictObject({
  ...deploymentSchema.shape,
  upstreamModel: deploymentSchema.shape.upstreamModel.optional(),
  credential: z
    .string()
    .regex(
      /^(env:[A-Z][A-Z0-9_]*|file:\/.+)$/,
      'expected a reference, env:NAME or file:///path, which gateways resolve; the secret itself does not belong here',
    )
    .nullable()
    .default(null),
  headTimeoutMs: deploymentSchema.shape.headTimeoutMs.default(TIMEOUT_MS_DEFAULT),
  idleTimeoutMs: deploymentSchema.shape.idleTimeoutMs.default(TIMEOUT_MS_DEFAULT),
});

const modelFileSchema = z
  .strictObject({
    ...modelSchema.omit({ createdAtMs: true }).shape,
    createdAt: z.iso.datetime({ offset: true }).default(CREATED_AT_DEFAULT),
    tokensPerKilobyteMax: modelSchema.shape.tokensPerKilobyteMax.default(TOKENS_PER_KILOBYTE_DEFAULT),
    overheadTokens: modelSchema.shape.overheadTokens.default(OVERHEAD_TOKENS_DEFAULT),
    overheadTokensPerMessage: modelSchema.shape.overheadTokensPerMessage.default(OVERHEAD_TOKENS_PER_MESSAGE_DEFAULT),
    imageTokensMax: modelSchema.shape.imageTokensMax.default(null),
    isRetired: z.boolean().default(false),
    deployments: z.array(deploymentFileSchema).max(DEPLOYMENTS_PER_MODEL_MAX).default([]),
  })
  .refine((model) => model.isRetired || model.deployments.some(({ weight }) => weight > 0), {
    path: ['deployments'],
    error: 'a model that is offered needs a deployment with a weight above 0',
  });

const catalogueFileSchema = z.strictObject({ models: z.array(modelFileSchema).min(1).max(MODELS_MAX) });

/** Every problem of the file at once, one line each, by its place in the file. */
export class CatalogueFileError extends Error {
  override readonly name = 'CatalogueFileError';
  constructor(readonly problems: readonly string[]) {
    super(`the model catalogue is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  }
}

/** The models that a catalogue file (YAML, or JSON, which is YAML) declares. Throws CatalogueFileError. */
export function readCatalogueText(text: string): Model[] {
  const result = catalogueFileSchema.safeParse(parseYaml(text));
  if (!result.success) throw new CatalogueFileError(result.error.issues.map(describeIssue));
  const models = result.data.models.map(toModel);
  const twice = [...repeatedNames(models), ...repeatedDeployments(models)];
  if (twice.length > 0) throw new CatalogueFileError(twice);
  return models;
}

function parseYaml(text: string): unknown {
  const lines = new LineCounter();
  // Without "pretty" errors: those quote the file, and somebody may have pasted a secret into it.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  if (document.errors.length === 0) return document.toJS();
  throw new CatalogueFileError(
    document.errors.map(({ code, pos }) => {
      const { line, col } = lines.linePos(pos[0]);
      return `line ${line}, column ${col}: ${code.toLowerCase().replaceAll('_', ' ')}`;
    }),
  );
}

function toModel({ createdAt, deployments, ...model }: z.output<typeof modelFileSchema>): Model {
  return {
    ...model,
    createdAtMs: Date.parse(createdAt),
    deployments: deployments
      .map((deployment): Deployment => ({ ...deployment, upstreamModel: deployment.upstreamModel ?? model.id }))
      .toSorted((one, other) => (one.id < other.id ? -1 : 1)),
  };
}

/** What a client may ask for must name one model. */
function repeatedNames(models: readonly Model[]): string[] {
  const names = models.flatMap(({ id, aliases }) => [id, ...aliases]);
  return repeated(names).map((name) => `the name "${name}" stands for two models (ids and aliases are one set)`);
}

function repeatedDeployments(models: readonly Model[]): string[] {
  const ids = models.flatMap(({ deployments }) => deployments.map(({ id }) => id));
  return repeated(ids).map((id) => `the deployment id "${id}" is used twice`);
}

function repeated(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, index) => values.indexOf(value) !== index))];
}

function describeIssue({ path, message }: z.core.$ZodIssue): string {
  const place = path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`),
    '',
  );
  return place === '' ? message : `${place}: ${message}`;
}
