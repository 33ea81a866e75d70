import { createSimulator } from './app.js';
import { loadConfig } from './config.js';
import { log } from './server/log.js';

async function boot(): Promise<void> {
  const config = loadConfig();
  const simulator = await createSimulator({ oracleFile: config.oracleFile });
  const url = await simulator.listen(config.port, config.host);
  log('info', 'listening', { url, oracleFile: config.oracleFile });
  let isStopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (isStopping) return;
      isStopping = true;
      void simulator.close().then(() => process.exit(0));
    });
  }
}

boot().catch((err: unknown) => {
  log('fatal', err instanceof Error ? err.message : String(err));
  process.exit(1);
});
