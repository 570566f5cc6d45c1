# One image for everything: `lumen` on one machine, and the code server, webserver, daemon and workers of several.
# The base's tag and digest say the same; BASE=… takes another one, with a Python 3.11 or newer and its pip and venv.
ARG BASE=docker.io/library/python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS build
COPY requirements/fleet.txt /src/requirements.txt
# No pip of its own: what installed it is not needed to run it.
RUN python -m venv --without-pip /opt/lumen \
    && python -m pip --python /opt/lumen/bin/python install --no-cache-dir --no-deps --require-hashes -r /src/requirements.txt
COPY pyproject.toml setup.cfg setup.py README.md LICENSE /src/
COPY lumen_assets /src/lumen_assets
# What `lumen --version` says besides the version: --build-arg LUMEN_GIT_REVISION=$(git rev-parse --short HEAD)
ARG LUMEN_GIT_REVISION
RUN python -m pip --python /opt/lumen/bin/python install --no-cache-dir --no-deps --no-build-isolation /src

FROM ${BASE}
RUN useradd --uid 10001 --home-dir /var/lib/lumen --no-create-home --shell /usr/sbin/nologin lumen \
    && install -d -o lumen -g lumen /var/lib/lumen
COPY --from=build /opt/lumen /opt/lumen
COPY deploy/celery/dagster.yaml deploy/celery/dagster_celery_config.py /opt/lumen-celery/
COPY deploy/ecs/dagster.yaml /opt/lumen-ecs/
ENV PATH=/opt/lumen/bin:$PATH \
    LUMEN_HOME=/var/lib/lumen \
    DAGSTER_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/lumen
# All that is written, besides DAGSTER_HOME where it is elsewhere: so the root file system may be read only.
VOLUME ["/tmp", "/var/lib/lumen"]
# Of the installation; a server's own is how it is started: see deploy/compose/compose.yaml.
HEALTHCHECK --interval=5m --timeout=30s --start-period=2m CMD ["lumen", "healthcheck"]
# No entry point: Dagster's launchers give a run's whole command, and the servers are given theirs.
CMD ["lumen", "daily"]
