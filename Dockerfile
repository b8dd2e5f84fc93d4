# One image for every process; docker-compose.yml decides which one a container runs.
#   docker build -t guildhall .                                    CPU
#   docker build -t guildhall --build-arg KIND=gpu .               NVIDIA GPU (run with the NVIDIA container toolkit)
# The image is not pinned by digest here; docs/how-to/deploy.md has the command that pins it.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

FROM base AS packages
ARG KIND=cpu
# For pip, if the CPU build of torch comes from your own index.
ARG PIP_EXTRA_INDEX_URL=
RUN python -m venv /venv
COPY requirements/ /requirements/
# torch alone first: see requirements/README.md.
RUN if [ "$KIND" = cpu ]; then \
        /venv/bin/pip install "$(grep '^torch==' /requirements/cpu.lock)" --constraint /requirements/cpu.lock; \
    fi \
    && /venv/bin/pip install --no-deps --requirement "/requirements/$KIND.lock"

FROM base
# vLLM on a CPU compiles small kernels when it starts, and counts cores with numactl's library.
RUN apt-get update && apt-get install -y --no-install-recommends g++ libnuma1 libgomp1 tini && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --uid 10001 guildhall \
    && install -d -o guildhall -g guildhall /state
COPY --from=packages /venv /venv
WORKDIR /app
COPY --chown=root:root . .
ENV PATH=/venv/bin:$PATH GUILDHALL_ENV=production GUILDHALL_STATE=/state GUILDHALL_HOST=0.0.0.0 GUILDHALL_PORT=8000 \
    GUILDHALL_COLLECTED=1 GUILDHALL_STATIC=/app/collected HF_HUB_OFFLINE=1 PYTHONPATH=/app
# Needs settings, not servers: the addresses below are not used.
RUN GUILDHALL_ENV=development GUILDHALL_STATE=/tmp/build DATABASE_URL=postgresql://none@127.0.0.1:9/none \
    REDIS_URL=redis://127.0.0.1:9/0 GUILDHALL_SECRET_KEY=only-while-the-image-is-built-0123456789 \
    python manage.py collectstatic --noinput
USER guildhall
VOLUME /state
EXPOSE 8000
# The init process reaps child processes of engines and trainers, and forwards signals.
ENTRYPOINT ["tini", "--"]
CMD ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--http", "config.http:Http", "--lifespan", "off", "--no-proxy-headers", "--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "10"]
