# The gateway with the embedded models: no torch, no GPU, no download of weights.
FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/cogitate
COPY pyproject.toml README.md LICENSE ./
COPY router ./router
COPY server ./server
RUN /opt/cogitate/bin/pip install --no-cache-dir .

FROM python:3.12-slim
COPY --from=build /opt/cogitate /opt/cogitate
RUN useradd --system --uid 10001 --no-create-home cogitate
USER 10001
ENV PATH=/opt/cogitate/bin:$PATH OPENBLAS_NUM_THREADS=1 PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/ready', timeout=2)"]
CMD ["cogitate", "serve", "--host", "0.0.0.0", "--port", "8000"]
