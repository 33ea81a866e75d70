import { isDeepStrictEqual } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import { modelCatalogueSchema } from '@tensorloop/contracts/model-catalogue';
import { MODEL_CATALOGUE_KEY } from '@tensorloop/contracts/subjects';
import { NatsLink } from '@tensorloop/messaging/connection';
import { readSnapshot, SnapshotInvalidError, writeSnapshot } from '@tensorloop/messaging/snapshots';
import { ensureBuckets } from '@tensorloop/messaging/streams';
import { CatalogueFile } from './catalogue-file.service.js';
import { ModelsRepository } from './models.repository.js';

@Injectable()
export class ModelsService {
  constructor(
    @Inject(ModelsRepository) private readonly repository: ModelsRepository,
    @Inject(NatsLink) private readonly nats: NatsLink,
    @Inject(CatalogueFile) private readonly file: CatalogueFile,
  ) {}

  /** How many models the catalogue file brought into the tables; null when it has nothing new. Rejects when it is not valid. */
  applyFile(): Promise<number | null> {
    return this.file.apply();
  }

  /** Ids of the models that can be put on an allowlist. */
  async listIds(): Promise<ReadonlySet<string>> {
    return new Set(await this.repository.listOfferedIds());
  }

  /**
   * Brings the snapshot that gateways read in line with the tables. Returns the revision written, or null when it was in
   * line already. Rejects when NATS or PostgreSQL does not answer.
   */
  async publishCatalogue(): Promise<number | null> {
    if (!this.nats.isConnected || this.nats.current === null) throw new Error('NATS is not connected');
    const { snapshots } = await ensureBuckets(this.nats.current);
    const models = modelCatalogueSchema.shape.models.parse(await this.repository.listModels());
    const published = await readSnapshot(snapshots, MODEL_CATALOGUE_KEY, modelCatalogueSchema).catch(ignoreInvalid);
    if (published !== null && isDeepStrictEqual(published.value.models, models)) return null;
    const revision = (published?.value.revision ?? 0) + 1;
    await writeSnapshot(snapshots, MODEL_CATALOGUE_KEY, { schema: modelCatalogueSchema, value: { v: 1, revision, models } });
    return revision;
  }
}

/** What an older or newer version of us wrote is replaced. */
function ignoreInvalid(err: unknown): null {
  if (err instanceof SnapshotInvalidError) return null;
  throw err;
}
