#!/bin/bash
# Train on a PBS cluster, a worker on each core of four nodes:
#
#     qsub -v DATA=/shared/data.zarr,MODEL=/shared/model.zarr pbs.sh
#
# Written after the manuals of OpenPBS and PBS Professional, and not tested there. A run that takes
# longer than the walltime is saved ten minutes before the end and submitted again from this folder.

#PBS -N dask-horn
#PBS -l select=4:ncpus=8:mem=32gb
#PBS -l place=scatter
#PBS -l walltime=04:00:00
#PBS -r y
#PBS -j oe

set -euo pipefail
cd "$PBS_O_WORKDIR"
: "${DATA:?is not set: qsub -v DATA=…,MODEL=… pbs.sh}" "${MODEL:?is not set: qsub -v DATA=…,MODEL=… pbs.sh}"

# Keep compiled kernels on a disk of the node: shared home folders are slow and lock badly.
export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-/tmp/dask-horn-$UID}"
export DASK_LOGGING__DISTRIBUTED=warning

scheduler_file="$MODEL.$PBS_JOBID-$(date +%s).json" # a job that runs again keeps its id
network=() # or (--interface ib0): what the nodes share
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
dask scheduler --scheduler-file "$scheduler_file" --port 0 --no-dashboard "${network[@]}" &

# Once on each node; pbsdsh passes no environment on.
pbsdsh -- "$(command -v env)" "NUMBA_CACHE_DIR=$NUMBA_CACHE_DIR" "PATH=$PATH" \
    dask worker --scheduler-file "$scheduler_file" --nworkers 8 --nthreads 1 \
    --local-directory /tmp --death-timeout 60 "${network[@]}" &

# SIGUSR1 comes ten minutes before the walltime: the round ends and is saved, and the code is 138.
timeout --preserve-status --signal=USR1 230m dask-horn train "$DATA" --out "$MODEL" --overwrite \
    --checkpoint "$MODEL.run" --scheduler "$scheduler_file" \
    --hidden 4096,4096 --groups 8 --submodels 4 --rounds 40 &
client=$!

# The first of the three to end ends the job, which has failed if it was not the client.
code=0
wait -n || code=$?
if [ $code = 138 ]; then
    qsub -v "DATA=$DATA,MODEL=$MODEL" pbs.sh
    exit
fi
[ $code = 0 ] && ! kill -0 $client 2>/dev/null
