#!/usr/bin/env bash
# Choose again what is in the images: deploy/image/lock.sh [--upgrade]. Needs uv, and a network.
#
# One version of every package, with the hashes of its files, for all platforms and Pythons at once. Without --upgrade
# versions stay where pyproject.toml allows them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
lock() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
    --custom-compile-command deploy/image/lock.sh "$@"
}
here=deploy/image
lock "$@" deploy/image/tools.in --output-file $here/tools.txt
lock "$@" --extra tracing pyproject.toml --output-file $here/gateway.txt
# The scoring service: the torch that the tests run on, and beside it the versions of the gateway.
lock "$@" --extra tracing --extra prm pyproject.toml --constraint $here/gateway.txt --output-file $here/prm.txt \
  --constraint <(grep -oE 'torch==[0-9.]+' pyproject.toml)
