# syntax=docker/dockerfile:1
# One image per service: docker build -f infra/docker/service.Dockerfile --build-arg SERVICE=gateway --build-arg FOLDER=apps/gateway .
ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
ENV CHECKPOINT_DISABLE=1 TURBO_TELEMETRY_DISABLED=1 PRISMA_SCHEMA_ENGINE_BINARY=/app/scripts/no-schema-engine.sh CI=true
RUN npm install --global pnpm@10.34.8
COPY . .
RUN pnpm install --frozen-lockfile
ARG SERVICE
RUN node_modules/.bin/turbo run generate build --filter=@tensorloop/${SERVICE}
# The same tree with this service's run-time dependencies only. Layout matters: migrations are found beside packages/.
RUN find . -name node_modules -type d -prune -exec rm -rf {} + \
 && pnpm install --frozen-lockfile --prod --ignore-scripts --filter-prod "@tensorloop/${SERVICE}..."
ARG FOLDER
RUN sh infra/docker/keep-runtime.sh "${FOLDER}"

FROM ${NODE_IMAGE}
WORKDIR /app
ENV NODE_ENV=production HOST=0.0.0.0
# What a service writes lives here; a volume mounted on it inherits the owner.
RUN mkdir -p /var/lib/tensorloop && chown node:node /var/lib/tensorloop
COPY --from=build --chown=root:root /app /app
ARG FOLDER
WORKDIR /app/${FOLDER}
USER node
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=6 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/ready`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--enable-source-maps", "dist/main.js"]
