import { readFile, stat } from 'node:fs/promises';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../config.js';
import { CatalogueFileError, readCatalogueText } from './catalogue-file.dto.js';
import { ModelsRepository } from './models.repository.js';

const FILE_BYTES_MAX = 16 * 1024 * 1024;

/** Brings the tables in line with the file that `MODEL_CATALOGUE_FILE` names, when it has changed. */
@Injectable()
export class CatalogueFile {
  private appliedText: string | null = null;
  private appliedMark = '';

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    @Inject(ModelsRepository) private readonly repository: ModelsRepository,
  ) {}

  /**
   * How many models were written; null when there is no file or nothing in it changed. Rejects when it cannot be read or is
   * not valid, and the tables stay as they are.
   */
  async apply(): Promise<number | null> {
    const path = this.config.MODEL_CATALOGUE_FILE;
    if (path === undefined) return null;
    const { ino, mtimeMs, size } = await stat(path);
    const mark = `${ino}:${mtimeMs}:${size}`;
    if (mark === this.appliedMark) return null;
    if (size > FILE_BYTES_MAX) throw new CatalogueFileError([`the file is larger than ${FILE_BYTES_MAX} bytes`]);
    const text = await readFile(path, 'utf8');
    if (text === this.appliedText) return null;
    const models = readCatalogueText(text);
    await this.repository.replaceModels(models);
    this.appliedText = text;
    this.appliedMark = mark;
    return models.length;
  }
}
