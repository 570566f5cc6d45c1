# Two images of one software. `docker build .` makes the one for one machine: `lumen` itself, the UI, the daemon.
# `docker build --target fleet --build-arg REQUIREMENTS=fleet .` makes the one for several: see deploy/README.md.
FROM python:3.11-slim AS build
ARG REQUIREMENTS=runtime
COPY requirements/*.txt /src/requirements/
RUN python -m venv /opt/lumen \
    && /opt/lumen/bin/pip install --no-cache-dir --no-deps --require-hashes -r /src/requirements/${REQUIREMENTS}.txt
COPY pyproject.toml setup.cfg README.md LICENSE /src/
COPY lumen_assets /src/lumen_assets
RUN /opt/lumen/bin/pip install --no-cache-dir --no-deps --no-build-isolation /src

FROM python:3.11-slim AS base
RUN useradd --uid 10001 --create-home lumen && install -d -o lumen -g lumen /var/lib/lumen
COPY --from=build /opt/lumen /opt/lumen
ENV PATH=/opt/lumen/bin:$PATH LUMEN_HOME=/var/lib/lumen PYTHONUNBUFFERED=1
USER lumen
WORKDIR /var/lib/lumen
VOLUME /var/lib/lumen

# No entry point: Dagster's launchers give a run's whole command, and Celery's workers are given theirs.
FROM base AS fleet
COPY deploy/celery /opt/lumen-celery
COPY deploy/ecs/dagster.yaml /opt/lumen-ecs/dagster.yaml
CMD ["dagster-daemon", "--help"]

FROM base AS lumen
ENTRYPOINT ["lumen"]
CMD ["daily"]
