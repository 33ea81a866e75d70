/** Jest's globalTeardown of the integration and e2e projects. */
export default async function tearDown() {
  await globalThis.stopSharedPostgres?.();
}
