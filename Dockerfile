# One image for every process of a cluster: its command and TF_CONFIG say what it is.
#
#   docker build --tag dbsl-tf:0.1.0 .
#   docker build --tag dbsl-tf:0.1.0-gpu --build-arg TENSORFLOW='tensorflow[and-cuda]' .
#   docker run --rm --init --volume "$PWD:/work" dbsl-tf:0.1.0 train --config quickstart.yaml
FROM python:3.12.11-slim-bookworm

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

# The versions of both are pinned in these files.
ARG TENSORFLOW=tensorflow
WORKDIR /opt/dbsl_tf
COPY requirements.txt constraints.txt ./
RUN pip install --requirement requirements.txt --constraint constraints.txt "$TENSORFLOW"

COPY README.md pyproject.toml setup.py ./
COPY dbsl_tf dbsl_tf
COPY configs configs
COPY scripts scripts
RUN pip install --no-deps --no-build-isolation . && rm -rf build ./*.egg-info

# The folders that a process may write to: /work for runs, /cache for data and profiles.
RUN useradd --uid 1000 --create-home trainer \
    && install --directory --owner=1000 --group=1000 /work /cache
ENV HOME=/cache \
    XDG_CACHE_HOME=/cache
USER 1000:1000
WORKDIR /work
ENTRYPOINT ["dbsl"]
CMD ["--help"]
