/**
 * The ceiling: the least that a proxy on Node can do. node:http in front, undici behind, bytes passed on as they come; nothing
 * is parsed, checked, counted or written. A program of its own, started by the bench. UPSTREAM_URL names the provider.
 */
import { createServer } from 'node:http';
import { type Dispatcher, Pool } from 'undici';

const CONNECTIONS_MAX = 1_024;
const KEEP_ALIVE_MS = 75_000;

const [upstreamUrl, port] = process.argv.slice(2);
if (upstreamUrl === undefined || port === undefined) throw new Error('usage: pass-through.js UPSTREAM_URL PORT');
const pool = new Pool(new URL(upstreamUrl).origin, { connections: CONNECTIONS_MAX, pipelining: 1 });

const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, noDelay: true }, (req, res) => {
  if (req.method === 'GET') {
    res.end('ok');
    return;
  }
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart() {},
      onResponseStart(_controller, status, headers) {
        const head: Record<string, string | string[]> = {};
        for (const name of ['content-type', 'content-length']) {
          const value = headers[name];
          if (value !== undefined) head[name] = value;
        }
        res.writeHead(status, head);
      },
      onResponseData(_controller, chunk) {
        res.write(chunk);
      },
      onResponseEnd() {
        res.end();
      },
      onResponseError() {
        res.destroy();
      },
    };
    const headers = { 'content-type': 'application/json', 'accept-encoding': 'identity' };
    pool.dispatch({ method: 'POST', path: req.url ?? '/', headers, body }, handler);
  });
});
server.listen({ port: Number(port), host: '127.0.0.1', backlog: CONNECTIONS_MAX });
process.on('SIGTERM', () => process.exit(0));
