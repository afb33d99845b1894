#!/bin/bash
# Train on a Slurm cluster, one core per worker:
#
#     sbatch slurm.sh DATA.zarr MODEL.zarr
#
# If a run takes longer than the walltime, submit it several times: jobs of one name run one after
# the other (singleton), and each resumes from the checkpoint of the one before.

#SBATCH --job-name=dask-horn
#SBATCH --dependency=singleton
#SBATCH --ntasks=34              # 32 workers, and one each for scheduler and script
#SBATCH --cpus-per-task=1
#SBATCH --mem-per-cpu=4G
#SBATCH --time=04:00:00
#SBATCH --requeue                # after the failure of a node
#SBATCH --open-mode=append

set -euo pipefail

# Keep compiled kernels on a disk of the node: shared home folders are slow and lock badly.
export NUMBA_CACHE_DIR="${TMPDIR:-/tmp}/$USER-dask-horn"

srun --kill-on-bad-exit=0 python slurm_train.py "$1" --out "$2" --checkpoint "$2.run"
