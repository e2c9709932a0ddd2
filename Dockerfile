# The images of Argosy. Every target holds the same files, those of `npm run image:tree`; they differ in what the system
# has beside Node:
#   app        gateway, dispatcher, agent worker, tool worker, egress, command line
#   browser    app and Chromium, for tool workers that render pages
#   sandbox    app, Python and bubblewrap, for tool workers that run programs
#   inference  app, for coordinators, shards and adapters; weights are mounted
# They run as user 10001 on a read-only root: /tmp and /var/lib/argosy are to be mounted where a role writes.
#   docker build --target app -t argosy:0.1.0 .

ARG NODE_IMAGE=node:24.21.0-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run --silent image:tree -- --to /tree

FROM ${NODE_IMAGE} AS system
# Nothing is installed or built in a running container.
RUN rm -rf /usr/local/lib/node_modules /usr/local/include /opt/yarn-* \
      /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn /usr/local/bin/yarnpkg \
  && groupadd --gid 10001 argosy \
  && useradd --uid 10001 --gid 10001 --home-dir /var/lib/argosy --create-home --shell /usr/sbin/nologin argosy \
  && ln -s /opt/argosy/dist/apps/cli/src/main.js /usr/local/bin/argosy
ENV NODE_ENV=production \
    NODE_OPTIONS=--disable-warning=ExperimentalWarning \
    HOME=/tmp \
    ARGOSY_DATA_DIR=/var/lib/argosy
WORKDIR /opt/argosy

FROM system AS browser-system
# tini: Chromium leaves processes behind that somebody has to wait for.
RUN apt-get update \
  && apt-get install -y --no-install-recommends chromium fonts-liberation tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM system AS sandbox-system
RUN apt-get update \
  && apt-get install -y --no-install-recommends bubblewrap python3 tini \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*

FROM browser-system AS browser
COPY --from=build /tree /opt/argosy
USER 10001:10001
ENTRYPOINT ["tini", "--", "node"]
CMD ["dist/apps/tool-worker/src/main.js"]

FROM sandbox-system AS sandbox
COPY --from=build /tree /opt/argosy
USER 10001:10001
ENTRYPOINT ["tini", "--", "node"]
CMD ["dist/apps/tool-worker/src/main.js"]

FROM system AS inference
COPY --from=build /tree /opt/argosy
USER 10001:10001
ENTRYPOINT ["node"]
CMD ["dist/apps/inference/src/main.js"]

FROM system AS app
COPY --from=build /tree /opt/argosy
USER 10001:10001
ENTRYPOINT ["node"]
CMD ["dist/apps/cli/src/main.js", "--help"]
