#!/bin/sh
# `prisma generate` insists on a schema-engine binary that it does not use. This stands in for it, so that nothing is
# downloaded. It must fail: a stand-in that exits 0 would make `prisma migrate deploy` do nothing and report success.
echo 'The native Prisma schema engine is switched off in this repository; migrations run through @tensorloop/db/migrate.' >&2
exit 1
