# Two images: `gateway`, the default, without torch; and `prm`, the scoring service, with it.
#
# deploy/README.md says how to build them, and what was built with what. Packages are pinned with their hashes in
# deploy/image/*.txt (made anew by deploy/image/lock.sh). A pip.conf of yours, for an index of your own, is given as a
# secret and stays in no layer: docker build --secret id=pip,src=$HOME/.config/pip/pip.conf .
ARG BASE=python:3.12-slim-bookworm

# What builds, and two environments: its own, and the one that is shipped, which has no pip.
FROM ${BASE} AS tools
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_ONLY_BINARY=:all:
RUN python3 -m venv /opt/tools && python3 -m venv --without-pip /opt/cogitate
WORKDIR /src
COPY deploy/image/tools.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
  /opt/tools/bin/pip install --quiet --require-hashes --requirement tools.txt

# The packages come before the code: a change of the code installs none of them again.
FROM tools AS packages
COPY deploy/image/gateway.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
  /opt/tools/bin/pip --python /opt/cogitate/bin/python install --quiet --require-hashes --requirement gateway.txt

FROM packages AS packages-prm
COPY deploy/image/prm.txt ./
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
  /opt/tools/bin/pip --python /opt/cogitate/bin/python install --quiet --require-hashes --requirement prm.txt

# The code, laid out as in the environment it is put over, so that it is a layer of its own, of some megabytes.
FROM tools AS code
COPY pyproject.toml README.md LICENSE ./
COPY router ./router
COPY server ./server
RUN /opt/tools/bin/pip wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir /wheels . && \
  /opt/tools/bin/pip --python /opt/cogitate/bin/python install --quiet --no-index --no-deps --prefix /code /wheels/*.whl

# What runs. Without the base's pip, which a service has no use for. The user has a name because libraries ask for it.
FROM ${BASE} AS base
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
    /usr/lib/python3*/ensurepip /usr/share/python-wheels && \
  echo 'cogitate:x:10001:10001::/nonexistent:/usr/sbin/nologin' >>/etc/passwd && echo 'cogitate:x:10001:' >>/etc/group
ENV PATH=/opt/cogitate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OPENBLAS_NUM_THREADS=1
STOPSIGNAL SIGTERM

# `docker build --target prm .`: reward models in process. Torch brings its GPU libraries, some gigabytes of them.
FROM base AS prm
COPY --from=packages-prm /opt/cogitate /opt/cogitate
COPY --from=code /code /opt/cogitate
# A volume mounted here takes over the owner; downloads of models go nowhere else.
RUN install --directory --owner=10001 --group=10001 /models
USER 10001:10001
ENV HF_HOME=/models COGITATE_PRM_LISTEN_HOST=0.0.0.0 COGITATE_PRM_LISTEN_PORT=8001
EXPOSE 8001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30m \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['COGITATE_PRM_LISTEN_PORT'] + '/ready', timeout=4)"]
CMD ["cogitate", "prm"]

# The gateway with the embedded models: no torch, no GPU, no download of weights. It refuses to start without keys
# (COGITATE_KEYS), because it listens beyond its own machine, unless COGITATE_ANONYMOUS=true says that all may ask.
FROM base AS gateway
COPY --from=packages /opt/cogitate /opt/cogitate
COPY --from=code /code /opt/cogitate
USER 10001:10001
ENV COGITATE_HOST=0.0.0.0 COGITATE_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['COGITATE_PORT'] + '/ready', timeout=4)"]
CMD ["cogitate", "serve"]
