#!/bin/bash
# Fetch wheels for a GPU machine that has no network, and write how to install them there:
#
#     bash benchmarks/gpu/prepare.sh FOLDER [REQUIREMENT ...]
#
# That machine has Python 3.12 on x86-64 Linux, with PyTorch, JAX, CuPy, numba-cuda, scikit-learn,
# SciPy, pandas, Matplotlib and pytest, and what these need. What dask_horn needs besides is listed
# here; name further requirements to take along, or to have a version that you have tried, such as
# "zarr==3.1.6". "numba-cuda>=0.29" is one, where that machine's is older: only from there on does it
# record graphs.
#
# Only wheels, for none is built; without what they need, for most of that is there: the list holds
# the rest. Together they come to 34 MB; a folder of more than 64 MiB is refused.

set -euo pipefail

folder="${1:?which folder?}"
shift
mkdir -p "$folder"

missing=(
    "bokeh>=3.5"
    "dask>=2025.4"
    "distributed>=2025.4"
    "donfig>=0.8"
    "google-crc32c>=1.5"
    "graphviz>=0.20.3" # for the tests
    "locket>=1.0"
    "msgspec>=0.19" # of newer Zarr
    "numcodecs>=0.14"
    "numpy<2.5" # as numba-cuda wants it
    "nvmath-python>=0.8"
    "partd>=1.4"
    "tblib>=1.6"
    "tornado>=6.2"
    "xyzservices>=2021.9.1"
    "zarr>=3.1"
    "zict>=3.0"
)

# This package too, for its version: models note it.
python3 -m pip wheel --quiet --no-deps --wheel-dir "$folder" "$(dirname "$0")/../.."

platforms=()
for version in 2_28 2_27 2_24 2_17 2_5; do
    platforms+=(--platform "manylinux_${version}_x86_64")
done
platforms+=(--platform manylinux2014_x86_64 --platform manylinux2010_x86_64 --platform manylinux1_x86_64)

python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
    --implementation cp "${platforms[@]}" --dest "$folder" "${missing[@]}" "$@"

# There: wheels beside what is installed, in a folder of their own that comes first.
cat >"$folder/install.sh" <<'END'
# source install.sh [TARGET]: on the GPU machine, in the shell that runs the benchmarks.
target="${1:-/tmp/dask_horn_site}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python3 -m pip install --quiet --no-index --no-deps --upgrade --target "$target" "$here"/*.whl
export PYTHONPATH="$target${PYTHONPATH:+:$PYTHONPATH}"
END

bytes=$(find "$folder" -name '*.whl' -printf '%s\n' | awk '{ n += $1 } END { print n + 0 }')
find "$folder" -name '*.whl' -printf '%9s %f\n' | sort -rn
echo "$(find "$folder" -name '*.whl' | wc -l) wheels, $((bytes / 1000000)) MB; there: source install.sh"
if ((bytes > 64 * 1024 * 1024)); then
    echo "More than 64 MiB: carry it in parts." >&2
    exit 1
fi
