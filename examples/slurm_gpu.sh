#!/bin/bash
# Train on GPUs of a Slurm cluster, one worker for each GPU:
#
#     sbatch slurm_gpu.sh DATA.zarr MODEL.zarr
#
# Needs `pip install "dask-horn[cuda13]"` (or cuda12). Scheduler and script run beside the first
# worker, and need no GPU. A worker sees one GPU alone: Slurm sets CUDA_VISIBLE_DEVICES for each
# task, and where it does not, this script does. As with slurm.sh, a run that takes longer than the
# walltime resumes when you submit it again.

#SBATCH --job-name=dask-horn-gpu
#SBATCH --dependency=singleton
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gres=gpu:1             # of each node; for 4 a node, --ntasks-per-node=4 and gpu:4
#SBATCH --cpus-per-task=4        # one thread trains on the GPU, others read and decode
#SBATCH --mem=32G
#SBATCH --time=02:00:00
#SBATCH --requeue                # after the failure of a node
#SBATCH --open-mode=append

set -euo pipefail

# Keep compiled kernels on a disk of the node: shared home folders are slow and lock badly.
export NUMBA_CACHE_DIR="${TMPDIR:-/tmp}/$USER-dask-horn"

scheduler_file="$2.$SLURM_JOB_ID.json"
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
dask scheduler --scheduler-file "$scheduler_file" --port 0 --no-dashboard &

# One worker of one thread for each task, which trains all sub-models that its GPU holds at once.
srun --kill-on-bad-exit=0 bash -c '
    export CUDA_VISIBLE_DEVICES="${CUDA_VISIBLE_DEVICES:-$SLURM_LOCALID}"
    exec dask worker --scheduler-file "$0" --nthreads 1 --local-directory "${TMPDIR:-/tmp}"
' "$scheduler_file" &

until [ -s "$scheduler_file" ]; do sleep 1; done
address=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$scheduler_file")

# 2 groups of 16 sub-models: each GPU trains the 16 of a group at once.
dask-horn train "$1" --out "$2" --checkpoint "$2.run" --scheduler "$address" \
    --hidden 4096,4096 --groups 2 --submodels 16 --rounds 40 --device cuda
