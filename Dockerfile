# One image for every role: `docker run tidemark flows.route`, `docker run tidemark api`, …
# The interpreter is Debian's in both stages, so that the virtual environment fits; the second has no shell.

FROM debian:12-slim AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY requirements.lock pyproject.toml README.md ./
RUN python3 -m venv /opt/tidemark \
    && /opt/tidemark/bin/python -m pip install --no-cache-dir --require-hashes --requirement requirements.lock
COPY schemas schemas
COPY sql sql
COPY flows flows
COPY api api
COPY loadgen loadgen
RUN /opt/tidemark/bin/npm ci --prefix api --no-audit --no-fund --ignore-scripts --loglevel=error
RUN /opt/tidemark/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && mkdir -p /data && chown 65532:65532 /data

FROM gcr.io/distroless/python3-debian12:nonroot
COPY --from=build /opt/tidemark /opt/tidemark
COPY --from=build /src /src
COPY --from=build --chown=65532:65532 /data /data
ENV PYTHONUNBUFFERED=1 NUMBA_CACHE_DIR=/tmp/numba TIDEMARK_RECOVERY=/data/recovery TIDEMARK_LOG=json
USER 65532:65532
VOLUME /data
WORKDIR /data
ENTRYPOINT ["/opt/tidemark/bin/python", "-m"]
CMD ["api"]
