import { Inject, Injectable } from '@nestjs/common';
import { ControlClient } from '@tensorloop/db/control-client';

export interface NamedKey {
  id: string;
  name: string;
  preview: string;
}

/** What people call that of which metering knows the ids. Whatever is not the account's has no name. */
@Injectable()
export class NamesRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  /** By id. Revoked and expired keys too. */
  async listKeys(accountId: string, ids: readonly string[]): Promise<Map<string, NamedKey>> {
    const wanted = [...new Set(ids)];
    if (wanted.length === 0) return new Map();
    const keys = await this.control.withAccount(accountId, (tx) =>
      tx.key.findMany({ where: { accountId, id: { in: wanted } }, select: { id: true, name: true, preview: true } }),
    );
    return new Map(keys.map((key) => [key.id, key]));
  }

  /** By id. Archived projects too. */
  async listProjectNames(accountId: string, ids: readonly string[]): Promise<Map<string, string>> {
    const wanted = [...new Set(ids)];
    if (wanted.length === 0) return new Map();
    const projects = await this.control.withAccount(accountId, (tx) =>
      tx.project.findMany({ where: { accountId, id: { in: wanted } }, select: { id: true, name: true } }),
    );
    return new Map(projects.map(({ id, name }) => [id, name]));
  }
}
