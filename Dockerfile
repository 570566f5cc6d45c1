# One image for the code server, the webserver, the daemon and `lumen` itself.
FROM python:3.11-slim AS build
COPY requirements/runtime.txt /src/requirements/runtime.txt
RUN python -m venv /opt/lumen \
    && /opt/lumen/bin/pip install --no-cache-dir --no-deps --require-hashes -r /src/requirements/runtime.txt
COPY pyproject.toml setup.cfg README.md LICENSE /src/
COPY lumen_assets /src/lumen_assets
RUN /opt/lumen/bin/pip install --no-cache-dir --no-deps --no-build-isolation /src

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home lumen && install -d -o lumen -g lumen /var/lib/lumen
COPY --from=build /opt/lumen /opt/lumen
ENV PATH=/opt/lumen/bin:$PATH LUMEN_HOME=/var/lib/lumen PYTHONUNBUFFERED=1
USER lumen
WORKDIR /var/lib/lumen
VOLUME /var/lib/lumen
ENTRYPOINT ["lumen"]
CMD ["daily"]
