import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../..');
const SOURCES = 'apps/{gateway,metering,control-plane}/src/**/*.ts';
const NOT_SHIPPED = /\.spec\.ts$|\.fixture\.ts$|\/testing\//;
const FILES_MIN = 100;
/** Reads of the machine's clock. A Date made of a given instant is none. */
const WALL_TIME = /\bDate\.now\b|\bnew Date\(\)/;

const sources = globSync(SOURCES, { cwd: ROOT }).filter((file) => !NOT_SHIPPED.test(file));

describe('the services', () => {
  it('read wall time from the injected clock alone, so that a skew reaches every decision', () => {
    expect(sources.length).toBeGreaterThan(FILES_MIN);
    expect(sources.filter((file) => WALL_TIME.test(readFileSync(join(ROOT, file), 'utf8')))).toEqual([]);
  });
});
