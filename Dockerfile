# The reference app. `docker compose up` starts it with Redis and PostgreSQL: see compose.yaml.
# Node 24 is the release with long-term support; the tests also run on 20, which is the oldest that is supported.
ARG NODE=24-bookworm-slim

FROM node:${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run build

FROM node:${NODE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM node:${NODE}
ENV NODE_ENV=production
WORKDIR /app
# The only folder that the app writes to: uploads, and the embedded database if DATABASE_URL is not set.
RUN mkdir var && chown node:node var
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist/apps dist/apps
COPY package.json ./
USER node
VOLUME /app/var
EXPOSE 3000
# Liveness, not readiness: an outage of Redis or WeChat must not restart the container. Load balancers use /health/ready.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 3000}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# node and not npm, so that SIGTERM reaches the app and it shuts down cleanly.
CMD ["node", "dist/apps/sample/apps/sample/src/main.js"]
