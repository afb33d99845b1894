#!/bin/bash
# Train on GPUs of a Slurm cluster, one worker for each GPU:
#
#     sbatch slurm_gpu.sh DATA.zarr MODEL.zarr
#
# Needs `pip install "dask-horn[cuda13]"` (or cuda12). Scheduler and script run beside the first
# worker, and need no GPU. A worker sees one GPU alone: Slurm sets CUDA_VISIBLE_DEVICES for each
# task, and where it does not, this script does. Further arguments are those of `dask-horn train`.
# As with slurm.sh, a run that takes longer than --time is saved and requeued.

#SBATCH --job-name=dask-horn-gpu
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gres=gpu:1             # of each node; for 4 a node, --ntasks-per-node=4 and gpu:4
#SBATCH --cpus-per-task=4        # one thread trains on the GPU, others read and decode
#SBATCH --mem=32G
#SBATCH --time=02:00:00
#SBATCH --signal=B:USR1@300      # to this script, seconds before the end; a round must fit in
#SBATCH --requeue                # after the failure of a node, too
#SBATCH --open-mode=append

set -euo pipefail

# Keep compiled kernels on a disk of the node: shared home folders are slow and lock badly.
export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-${TMPDIR:-/tmp}/dask-horn-$UID}"
export DASK_LOGGING__DISTRIBUTED=warning

# A requeued job keeps its id: the count of restarts tells its old scheduler file apart.
scheduler_file="$2.$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}.json"
network=(${INTERFACE:+--interface "$INTERFACE"}) # that the nodes share: INTERFACE=ib0, say
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
dask scheduler --scheduler-file "$scheduler_file" --port 0 --no-dashboard "${network[@]}" &

# One worker of one thread for each task, which trains all sub-models that its GPU holds at once.
# shellcheck disable=SC2016  # expanded in each task
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0 --wait=0 bash -c '
    export CUDA_VISIBLE_DEVICES="${CUDA_VISIBLE_DEVICES:-$SLURM_LOCALID}"
    exec dask worker --nthreads 1 --local-directory "${TMPDIR:-/tmp}" "$@"
' worker --scheduler-file "$scheduler_file" "${network[@]}" &

# 2 groups of 16 sub-models: each GPU trains the 16 of a group at once.
dask-horn train "$1" --out "$2" --overwrite --checkpoint "$2.run" --scheduler "$scheduler_file" \
    --hidden 4096,4096 --groups 2 --submodels 16 --rounds 40 --device cuda "${@:3}" &
client=$!

requeue() { # 138 is the client's word that SIGUSR1 stopped it, and the run is saved
    trap "" USR1 # a second one must not end the wait for that
    code=0
    kill -USR1 $client && wait $client || code=$?
    [ $code != 138 ] || scontrol requeue "$SLURM_JOB_ID"
    exit $code
}
trap requeue USR1

# The first of the three to end ends the job, which has failed if it was not the client.
wait -n
! kill -0 $client 2>/dev/null
