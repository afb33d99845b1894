#!/bin/bash
# Train on a Slurm cluster, one core for each worker. In this folder:
#
#     sbatch slurm.sh DATA.zarr MODEL.zarr
#
# Needs `pip install "dask-horn[hpc]"`, and DATA.zarr and MODEL.zarr on a file system that all nodes
# share. Further arguments are those of train.py, such as `--rounds 100`.
#
# A run that takes longer than --time is saved five minutes before the end and requeued, as often as
# it takes, and ends with the same model. After scancel or a failure, submit it again to resume.

#SBATCH --job-name=dask-horn
#SBATCH --ntasks=34              # 32 workers, and one each for scheduler and script
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=4G
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@300        # seconds before the end; a round and its saving must fit in
#SBATCH --requeue                # after the failure of a node, too
#SBATCH --open-mode=append

set -euo pipefail

# Keep compiled kernels on a disk of the node: shared home folders are slow and lock badly.
export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-${TMPDIR:-/tmp}/dask-horn-$UID}"
export DASK_LOGGING__DISTRIBUTED=warning

# The job ends if for so long there is no worker, or all are paused for lack of memory.
export DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT="${NO_WORKERS_TIMEOUT:-45s}"

# Slurm signals every rank, but only the script handles it: scheduler and workers are still needed.
# The job ends with its scheduler (rank 0) or script (rank 1), but goes on without a lost worker.
# shellcheck disable=SC2016  # expanded on each rank
srun --kill-on-bad-exit=1 --wait=0 bash -c '
    trap "" USR1 TERM
    python train.py "$@" || [ "$SLURM_PROCID" -gt 1 ]
' rank "$@"
