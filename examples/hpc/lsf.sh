#!/bin/bash
# Train on an LSF cluster, a worker in each slot:
#
#     DATA=/shared/data.zarr MODEL=/shared/model.zarr bsub < lsf.sh
#
# Written after LSF's manual, and not tested there. A run that takes longer than -W is saved ten
# minutes before the end and requeued: -Q names the exit code that says so.

#BSUB -J dask-horn
#BSUB -n 32
#BSUB -R "span[ptile=8] rusage[mem=4GB]"
#BSUB -W 04:00
#BSUB -Q "138"
#BSUB -r
#BSUB -o dask-horn.%J.log

set -euo pipefail
: "${DATA:?is not set: DATA=… MODEL=… bsub < lsf.sh}" "${MODEL:?is not set: DATA=… MODEL=… bsub < lsf.sh}"

# Keep compiled kernels on a disk of the node: shared home folders are slow and lock badly.
export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-/tmp/dask-horn-$UID}"
export DASK_LOGGING__DISTRIBUTED=warning

scheduler_file="$MODEL.$LSB_JOBID-$(date +%s).json" # a requeued job keeps its id
network=() # or (--interface ib0): what the nodes share
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
dask scheduler --scheduler-file "$scheduler_file" --port 0 --no-dashboard "${network[@]}" &

# Once in each slot.
blaunch "$(command -v env)" "NUMBA_CACHE_DIR=$NUMBA_CACHE_DIR" "PATH=$PATH" \
    dask worker --scheduler-file "$scheduler_file" --nthreads 1 --local-directory /tmp \
    --death-timeout 60 "${network[@]}" &

# SIGUSR1 comes ten minutes before the time is up: the round ends and is saved, and the code is 138.
timeout --preserve-status --signal=USR1 230m dask-horn train "$DATA" --out "$MODEL" --overwrite \
    --checkpoint "$MODEL.run" --scheduler "$scheduler_file" \
    --hidden 4096,4096 --groups 8 --submodels 4 --rounds 40 &
client=$!

# The first of the three to end ends the job, which has failed if it was not the client.
wait -n
! kill -0 $client 2>/dev/null
