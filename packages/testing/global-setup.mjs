/** Jest's globalSetup of the integration and e2e projects. */
import './register-source.mjs';

export default async function setUp() {
  const { startSharedPostgres } = await import('./src/shared-postgres.ts');
  globalThis.stopSharedPostgres = await startSharedPostgres();
}
