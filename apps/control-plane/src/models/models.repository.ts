import { Inject, Injectable } from '@nestjs/common';
import { type Deployment, deploymentSchema, type Model } from '@tensorloop/contracts/model-catalogue';
import { ControlClient } from '@tensorloop/db/control-client';

/** Models belong to no account. */
@Injectable()
export class ModelsRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  async listModels(): Promise<Model[]> {
    const rows = await this.control.global.model.findMany({
      orderBy: { id: 'asc' },
      include: { deployments: { orderBy: { id: 'asc' }, omit: { modelId: true } } },
    });
    return rows.map(({ createdAt, endpoints, deployments, ...model }) => ({
      ...model,
      createdAtMs: createdAt.getTime(),
      // Checked against the contract before they are published.
      endpoints: endpoints as Model['endpoints'],
      aliases: [],
      deployments: deployments.map((deployment): Deployment => deploymentSchema.parse(deployment)),
    }));
  }

  async listOfferedIds(): Promise<string[]> {
    const rows = await this.control.global.model.findMany({ where: { isRetired: false }, select: { id: true } });
    return rows.map((row) => row.id);
  }
}
