import { defineConfig } from 'prisma/config';

/** For Prisma's own command line. The database URL is needed only by those who run its native migrate commands. */
export default defineConfig({
  schema: 'prisma',
  migrations: { path: 'prisma/migrations' },
  ...(process.env['OWNER_DATABASE_URL'] === undefined ? {} : { datasource: { url: process.env['OWNER_DATABASE_URL'] } }),
});
