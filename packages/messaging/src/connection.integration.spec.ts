import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { poll } from '@tensorloop/servers/poll';
import { type NatsLink, openNatsLink } from './connection.js';
import { type PrivateNats, startPrivateNats } from './testing/private-nats.js';

let nats: PrivateNats;
let link: NatsLink;
const errors: string[] = [];

beforeAll(async () => {
  nats = await startPrivateNats();
  link = openNatsLink({
    url: nats.url,
    name: 'connection spec',
    onStatus: (event, detail) => event === 'error' && errors.push(detail),
  });
  await link.ready;
});

afterAll(async () => {
  await link.close();
  await nats.dispose();
});

it('a server that turns us away for a while, as during a change of passwords, is connected to again', async () => {
  const configuration = join(dirname(nats.server.logFile), 'nats.conf');
  const open = readFileSync(configuration, 'utf8');
  const reload = (text: string) => {
    writeFileSync(configuration, text);
    process.kill(nats.server.pid, 'SIGHUP');
  };
  reload(`${open}\nauthorization { user: somebody, password: else }\n`);
  await poll(async () => errors.length >= 3 || link.current?.isClosed() === true, {
    timeoutMs: 20_000,
    failure: 'never refused',
  });
  reload(open);
  await poll(async () => link.isConnected, { timeoutMs: 20_000, failure: 'not connected again' });
  expect(link.current?.isClosed()).toBe(false);
});
