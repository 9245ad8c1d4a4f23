# Postroom in a container. Data, key and database are in the volume /data.
#   docker build -t postroom .
#   docker run -p 127.0.0.1:8025:8025 -p 127.0.0.1:2525:2525 -v postroom:/data postroom
FROM python:3.11-slim-bookworm AS build
WORKDIR /opt/postroom
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes \
        -r requirements/runtime.txt
COPY src src
RUN .venv/bin/python -m compileall -q src

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 2525 --user-group --home-dir /data --shell /usr/sbin/nologin postroom \
    && install -d -o postroom -g postroom -m 0700 /data
COPY --from=build /opt/postroom /opt/postroom
COPY LICENSE README.md /opt/postroom/
COPY docs /opt/postroom/docs
# The doors listen on all addresses of the container: what is published is chosen by `docker run -p`.
ENV PATH=/opt/postroom/.venv/bin:$PATH \
    PYTHONPATH=/opt/postroom/src \
    PYTHONUNBUFFERED=1 \
    POSTROOM_DATA=/data \
    POSTROOM_HTTP=0.0.0.0:8025 \
    POSTROOM_SUBMISSION=0.0.0.0:2525 \
    POSTROOM_INBOUND=0.0.0.0:2526 \
    POSTROOM_LOG_FORMAT=json
USER postroom
WORKDIR /data
VOLUME /data
EXPOSE 8025 2525 2526
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8025/health/ready', timeout=4)"]
ENTRYPOINT ["python", "-m", "postroom"]
CMD ["serve"]
