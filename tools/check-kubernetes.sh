#!/usr/bin/env bash
# Pass the Kubernetes manifests through the policy scanner checkov: tools/check-kubernetes.sh [FILE.yaml ...]
#
# Without files: everything under deploy/kubernetes that can be applied, rendered. Checkov goes into an environment of its
# own, since it wants older versions of what the server uses; CHECKOV names one that is there already. It asks nobody
# outside: the checks are those that it brings. What is excused, and why: deploy/kubernetes/.checkov.yaml.
set -euo pipefail

cd "$(dirname "$0")/.."
version=3.3.30
environment=${POLICY_VENV:-.venv-policy}
checkov=${CHECKOV:-$environment/bin/checkov}
kubectl=${KUBECTL:-.venv/bin/kubectl}

if [ ! -x "$checkov" ]; then
  echo "Installing checkov $version into $environment" >&2
  "${PYTHON:-python3}" -m venv "$environment"
  echo '*' >"$environment/.gitignore"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "checkov==$version"
fi

rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT
if [ $# -gt 0 ]; then
  cp -- "$@" "$rendered"
else
  for target in overlays/trial overlays/production overlays/keda vllm; do
    "$kubectl" kustomize "deploy/kubernetes/$target" >"$rendered/${target//\//-}.yaml"
  done
fi
"$checkov" --config-file deploy/kubernetes/.checkov.yaml --directory "$rendered"
echo "The policy scanner has nothing to say."
