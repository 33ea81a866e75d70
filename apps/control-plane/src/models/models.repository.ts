import { Inject, Injectable } from '@nestjs/common';
import { type Deployment, deploymentSchema, type Model } from '@tensorloop/contracts/model-catalogue';
import { ControlClient, type ControlTransaction } from '@tensorloop/db/control-client';

/** Any number, the same in every replica: one of them writes the catalogue at a time. */
const CATALOGUE_LOCK = 7_112_026;

/** Models belong to no account. */
@Injectable()
export class ModelsRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  async listModels(): Promise<Model[]> {
    const rows = await this.control.global.model.findMany({
      orderBy: { id: 'asc' },
      include: { deployments: { orderBy: { id: 'asc' }, omit: { modelId: true } } },
    });
    return rows.map(({ createdAt, endpoints, tokenizer, deployments, ...model }) => ({
      ...model,
      createdAtMs: createdAt.getTime(),
      // Checked against the contract before they are published.
      endpoints: endpoints as Model['endpoints'],
      tokenizer: tokenizer as Model['tokenizer'],
      deployments: deployments.map((deployment): Deployment => deploymentSchema.parse(deployment)),
    }));
  }

  /** The tables as `models` has them, in one transaction. Models that it does not name are retired and lose their deployments. */
  async replaceModels(models: readonly Model[]): Promise<void> {
    const deploymentIds = models.flatMap(({ deployments }) => deployments.map(({ id }) => id));
    await this.control.within({}, async (tx) => {
      await tx.$queryRaw`SELECT pg_advisory_xact_lock(${CATALOGUE_LOCK}::bigint)::text`;
      await tx.deployment.deleteMany({ where: { id: { notIn: deploymentIds } } });
      await tx.model.updateMany({
        where: { id: { notIn: models.map(({ id }) => id) } },
        data: { isRetired: true, aliases: [] },
      });
      for (const model of models) await writeModel(tx, model);
    });
  }

  async listOfferedIds(): Promise<string[]> {
    const rows = await this.control.global.model.findMany({ where: { isRetired: false }, select: { id: true } });
    return rows.map((row) => row.id);
  }
}

async function writeModel(tx: ControlTransaction, { deployments, createdAtMs, ...model }: Model): Promise<void> {
  const row = { ...model, tokenizer: model.tokenizer ?? null, createdAt: new Date(createdAtMs) };
  await tx.model.upsert({ where: { id: model.id }, create: row, update: row });
  for (const deployment of deployments) {
    const placed = { ...deployment, modelId: model.id };
    await tx.deployment.upsert({ where: { id: deployment.id }, create: placed, update: placed });
  }
}
