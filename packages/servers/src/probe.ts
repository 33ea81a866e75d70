import { connect } from 'node:net';

const PROBE_TIMEOUT_MS = 1_000;

/** Connects to a text protocol's port, sends `request`, and resolves once the answer matches. Rejects after a second. */
export function askPort(port: number, request: string, expected: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let answer = '';
    const finish = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    socket.setTimeout(PROBE_TIMEOUT_MS, () => finish(new Error(`port ${port} did not answer`)));
    socket.on('error', finish);
    socket.on('close', () => finish(new Error(`port ${port} closed the connection`)));
    socket.on('connect', () => socket.write(request));
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
      if (expected.test(answer)) finish();
    });
  });
}
