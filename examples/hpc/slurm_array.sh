#!/bin/bash
# Try several settings, each on one node of a Slurm cluster:
#
#     sbatch slurm_array.sh DATA.zarr FOLDER
#
# FOLDER gets a model, a table of the rounds and a checkpoint of each setting, by its number. Further
# arguments are those of `dask-horn train`, for all settings: `--validation HELD_OUT.zarr`, say.
# As with slurm.sh, a run that takes longer than --time is saved and requeued.

#SBATCH --job-name=dask-horn-array
#SBATCH --array=0-3
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8        # a worker on each
#SBATCH --mem-per-cpu=4G
#SBATCH --time=02:00:00
#SBATCH --signal=USR1@300        # seconds before the end; a round and its saving must fit in
#SBATCH --requeue                # after the failure of a node, too
#SBATCH --open-mode=append

set -euo pipefail

settings=(
    "--hidden 512,512 --submodels 2"
    "--hidden 512,512 --submodels 4"
    "--hidden 1024,1024 --submodels 2"
    "--hidden 1024,1024 --submodels 4"
)
read -ra setting <<<"${settings[$SLURM_ARRAY_TASK_ID]}"

# Keep compiled kernels on a disk of the node: shared home folders are slow and lock badly.
export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-${TMPDIR:-/tmp}/dask-horn-$UID}"

mkdir -p "$2"
name="$2/$SLURM_ARRAY_TASK_ID"
code=0
srun --cpus-per-task="$SLURM_CPUS_PER_TASK" dask-horn train "$1" --out "$name.zarr" --overwrite \
    --history "$name.csv" --checkpoint "$name.run" --workers "$SLURM_CPUS_PER_TASK" \
    --groups 2 "${setting[@]}" "${@:3}" || code=$?

# 138 is the word of `dask-horn train` that SIGUSR1 stopped it, and the run is saved. One task's
# SLURM_JOB_ID is that of the whole array: not by that.
[ $code != 138 ] || scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
exit $code
