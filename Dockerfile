# Two images: `gateway`, the default, without torch; and `prm`, the scoring service, with it.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/cogitate
COPY pyproject.toml README.md LICENSE ./
COPY router ./router
COPY server ./server
RUN /opt/cogitate/bin/pip install --no-cache-dir .

FROM build AS build-prm
RUN /opt/cogitate/bin/pip install --no-cache-dir '.[prm]'

FROM python:3.12-slim AS base
RUN useradd --system --uid 10001 --no-create-home cogitate
ENV PATH=/opt/cogitate/bin:$PATH OPENBLAS_NUM_THREADS=1 PYTHONUNBUFFERED=1

# `docker build --target prm .`: reward models in process. Torch brings its GPU libraries, some gigabytes of them.
FROM base AS prm
COPY --from=build-prm /opt/cogitate /opt/cogitate
# A volume mounted here takes over the owner; downloads of models go nowhere else.
RUN install --directory --owner=10001 /models
USER 10001
ENV HF_HOME=/models COGITATE_PRM_LISTEN_HOST=0.0.0.0 COGITATE_PRM_LISTEN_PORT=8001
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30m \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8001/ready', timeout=2)"]
CMD ["cogitate", "prm"]

# The gateway with the embedded models: no torch, no GPU, no download of weights.
FROM base AS gateway
COPY --from=build /opt/cogitate /opt/cogitate
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=2)"]
CMD ["cogitate", "serve", "--host", "0.0.0.0", "--port", "8000"]
