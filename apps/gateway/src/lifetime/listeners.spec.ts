import { createServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { LISTENERS, Listeners } from './listeners.js';

const HOST = '127.0.0.1';
const CLIENTS = 320;
/** Linux spreads clients over the sockets by chance, so the fullest has more than its share. */
const TURNS_MAX = CLIENTS / 4;
const HOOKS = ['preClose', 'onClose'] as const;

type Hook = (done: () => void) => unknown;

async function serve(port = 0): Promise<{ server: HttpServer; port: number; close: () => Promise<void> }> {
  const server = createServer((_req, res) => res.end('served'));
  const listeners = new Listeners(server);
  const hooks = new Map<string, Hook>();
  listeners.closeWith({ addHook: (name: string, hook: Hook) => hooks.set(name, hook) } as never);
  const options = await listeners.optionsOf({ port, host: HOST, backlog: 4_096 });
  await new Promise<void>((resolve) => server.listen(options, resolve));
  await listeners.open({ host: HOST, backlog: 4_096 });
  const close = async () => {
    expect([...hooks.keys()]).toEqual([...HOOKS]);
    hooks.get('preClose')?.(() => undefined);
    server.close();
    server.closeAllConnections();
    await hooks.get('onClose')?.(() => undefined);
  };
  return { server, port: (server.address() as AddressInfo).port, close };
}

describe('a port with several sockets', () => {
  const closing: (() => Promise<void>)[] = [];
  const clients: Socket[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    for (const close of closing.splice(0)) await close();
  });

  it('takes a burst of clients in a fraction of as many turns of the loop', async () => {
    const { server, port, close } = await serve();
    closing.push(close);
    let accepted = 0;
    let turns = 0;
    server.on('connection', () => accepted++);
    for (let index = 0; index < CLIENTS; index++) clients.push(connect(port, HOST));
    await new Promise<void>((resolve) => {
      const turn = () => {
        turns++;
        if (accepted === CLIENTS) resolve();
        else setImmediate(turn);
      };
      turn();
    });
    expect(turns).toBeLessThan(TURNS_MAX);
    expect(LISTENERS).toBeGreaterThan(4);
  });

  it('serves whoever comes, by whichever socket', async () => {
    const { port, close } = await serve();
    closing.push(close);
    const answers = await Promise.all(
      Array.from({ length: 64 }, () =>
        fetch(`http://${HOST}:${port}/`, { headers: { connection: 'close' } }).then((res) => res.text()),
      ),
    );
    expect(new Set(answers)).toEqual(new Set(['served']));
  });

  it('is refused to a second server, which would take half of the clients unnoticed', async () => {
    const { port, close } = await serve();
    closing.push(close);
    await expect(serve(port)).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  it('is free as soon as the server has closed', async () => {
    const { port, close } = await serve();
    await close();
    const again = await serve(port);
    closing.push(again.close);
    expect(again.port).toBe(port);
  });
});
