"""The scripts of examples/hpc on a real Slurm, whose jobs and processes end in all ways."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import dask_horn as horn
from tests.hpc.slurm import PATIENCE, SCRIPTS, waiting

pytestmark = pytest.mark.slurm

ROUNDS = 25
SMALL = ["--hidden", 16, "--groups", 2, "--submodels", 2]
LONG = 2000  # rounds that nobody waits for


@pytest.fixture(scope="module")
def trained(data):
    """The parameters that a run of ROUNDS gives that nothing interrupts."""
    hidden = [horn.Dense(16, activation="relu"), horn.Dense(16, activation="relu")]
    network = horn.Network([*hidden, horn.Dense(10)], input_shape=64)
    result = horn.train(network, data, n_groups=2, n_submodels=2, n_rounds=ROUNDS)
    return result.model.parameters


def _submit(slurm, data, out, rounds=ROUNDS, workers=1):
    options = f"--ntasks={workers + 2} --mem-per-cpu=1G"
    return slurm.submit("slurm.sh", data, out, *SMALL, "--rounds", rounds, options=options)


def _saves(job, checkpoint, rounds=0):
    """Wait until a run has saved its checkpoint after more than so many rounds."""
    for _ in waiting(PATIENCE, f"{checkpoint} to be saved", job):
        if _saved(checkpoint) > rounds:
            return


def _saved(checkpoint):
    """Rounds that a checkpoint holds."""
    whole = Path(checkpoint).glob("rounds/*/history.json")
    return max((int(path.parent.name[:5]) for path in whole), default=0)


def _assert_is(out, parameters):
    np.testing.assert_array_equal(horn.load(str(out)).parameters, parameters)


def test_nodes_share_no_tmp_and_one_may_be_lost(slurm, data, out, trained):
    job = _submit(slurm, data, out, workers=2)
    _saves(job, f"{out}.run")
    job.process(2, "train.py").kill()
    assert job.ends() == "COMPLETED", job.log
    assert f"round {ROUNDS} of {ROUNDS}" in job.log
    _assert_is(out, trained)


def test_walltime_and_requeues_change_no_bit(slurm, data, out, trained):
    job = _submit(slurm, data, out)
    _saves(job, f"{out}.run")
    job.cancel("--signal=USR1")  # as --signal does before the time is up
    job.is_requeued()
    assert "SIGUSR1 was received" in job.log
    assert not out.exists()
    _saves(job, f"{out}.run", _saved(f"{out}.run"))
    slurm.call("scontrol", "requeue", job.id)  # as Slurm does after the failure of a node
    job.is_requeued(times=2)
    assert job.ends() == "COMPLETED", job.log
    assert not list(out.parent.glob(f"{out.name}.{job.id}-2.json"))
    _assert_is(out, trained)


def test_a_cancelled_job_saves_and_goes_on_when_it_is_submitted_again(slurm, data, out, trained):
    job = _submit(slurm, data, out)
    _saves(job, f"{out}.run")
    job.cancel()
    assert job.ends() == "CANCELLED"
    assert "SIGTERM was received" in job.log
    rounds = _saved(f"{out}.run")
    assert 0 < rounds < ROUNDS
    again = _submit(slurm, data, out)
    assert again.ends() == "COMPLETED", again.log
    _assert_is(out, trained)


@pytest.mark.parametrize("rank", [0, 1, 2], ids=["scheduler", "client", "worker"])
def test_a_job_ends_with_its_scheduler_client_or_last_worker(slurm, data, out, rank):
    job = _submit(slurm, data, out, LONG)
    _saves(job, f"{out}.run")
    job.process(rank, "train.py").kill()
    assert job.ends() == "FAILED", job.log


def test_an_array_trains_each_setting_and_is_requeued(slurm, data, out):
    options = "--array=0-1 --cpus-per-task=1 --mem-per-cpu=1G"
    short = ["--hidden", "16,16", "--rounds", ROUNDS]
    job = slurm.submit("slurm_array.sh", data, out, *short, options=options)
    for number in (0, 1):
        _saves(job, out / f"{number}.run")
    job.cancel("--signal=USR1")
    job.is_requeued()
    assert job.ends() == "COMPLETED", job.log
    assert job.log.count("run the same command to resume") == 2
    for number in (0, 1):
        assert len((out / f"{number}.csv").read_text().splitlines()) == ROUNDS + 1
        horn.load(str(out / f"{number}.zarr"))


def test_the_script_for_gpus_trains_here_without_and_is_requeued(slurm, data, out):
    options = "--gres=none --nodes=1 --cpus-per-task=1 --mem=4G"
    short = ["--hidden", "16,16", "--device", "cpu", "--submodels", 2, "--rounds", ROUNDS]
    job = slurm.submit("slurm_gpu.sh", data, out, *short, options=options)
    _saves(job, f"{out}.run")
    for _ in range(2):
        job.cancel("--batch", "--signal=USR1")
    job.is_requeued()
    assert job.ends() == "COMPLETED", job.log
    assert "Stopped by SIGUSR1" in job.log
    horn.load(str(out))


def test_jobs_come_and_go_with_an_interactive_run(slurm, data, out):
    script = str(SCRIPTS / "interactive.py")
    command = ["python", script, data, str(out), "--cores", "1", "--jobs", "2"]
    done = subprocess.run(
        [*command, "--hidden", "16", "--rounds", "20"],
        cwd=slurm.folder, env=slurm.environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert os.path.exists(out)
    assert "round 20 of 20" in done.stderr
    for _ in waiting(PATIENCE, "the jobs to go"):
        if not slurm.jobs("dask-worker"):
            break


def test_slurm_itself_tells_a_job_that_its_time_is_nearly_up(slurm, data, out):
    # It looks every 30 seconds, and so signals this one between its 20th second and its 50th.
    options = "--ntasks=3 --mem-per-cpu=1G --time=2 --signal=USR1@70"
    job = slurm.submit("slurm.sh", data, out, *SMALL, "--rounds", LONG, options=options)
    _saves(job, f"{out}.run")
    job.is_requeued()
    assert "SIGUSR1 was received" in job.log
    assert _saved(f"{out}.run") > 0
    job.cancel()
