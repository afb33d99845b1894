"""A Slurm of one node on loopback, and its jobs."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "examples" / "hpc"
PATIENCE = 60.0  # seconds within which a job ends, for whatever reason

_DAEMONS = ("munged", "slurmctld", "slurmd")
_HOST = socket.gethostname().split(".")[0]
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}

# CPUs are claimed, since most processes of these jobs wait. Times are as short as Slurm allows:
# a requeued job waits for cred_expire, and a cancelled one has KillWait to end.
_CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmdParameters=config_overrides
KillWait=12
InactiveLimit=0
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SchedulerParameters=batch_sched_delay=0,sched_interval=1
MinJobAge=600
NodeName={host} NodeAddr=127.0.0.1 CPUs=40 RealMemory=200000 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""

# What jobs find as `python`: on a "node" of its own, which shares no /tmp with the others.
_PYTHON = """#!/bin/sh
exec unshare --mount sh -c 'mount -t tmpfs -o size=256m none /tmp && exec "$0" "$@"' {python} "$@"
"""


def missing() -> str:
    """What keeps a Slurm from being started here; empty where nothing does."""
    for name in (*_DAEMONS, "sbatch"):
        if shutil.which(name, path=_PATH) is None:
            return f"{name} is not installed; on Debian: apt-get install slurm-wlm munge"
    if importlib.util.find_spec("dask_jobqueue") is None:
        return "dask-jobqueue is not installed: pip install dask-horn[hpc]"
    if Path(sys.prefix).is_relative_to("/tmp") or ROOT.is_relative_to("/tmp"):
        return "Python, or this package, lies in /tmp, which nodes do not share"
    if os.geteuid() != 0:
        return "only root starts a Slurm"
    try:
        subprocess.run(["unshare", "--mount", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return "unshare --mount, which makes nodes of one machine, is not permitted here"
    return ""


@dataclass
class Slurm:
    """A running Slurm.

    Attributes
    ----------
    folder : Path
        What all its nodes share; not in /tmp, which they do not.
    """

    folder: Path
    _daemons: list[subprocess.Popen] = field(default_factory=list)

    def start(self) -> None:
        """Start the daemons; return when the node takes jobs."""
        for name in ("state", "spool", "bin"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        ports = _free_ports(2)
        conf = _CONF.format(host=_HOST, folder=self.folder, controller=ports[0], daemon=ports[1])
        (self.folder / "slurm.conf").write_text(conf)
        for name, words in {
            "python": _PYTHON.format(python=sys.executable),
            "dask": '#!/bin/sh\nexec python -m dask "$@"\n',
            "dask-horn": '#!/bin/sh\nexec python -m dask_horn "$@"\n',
        }.items():
            (self.folder / "bin" / name).write_text(words)
            (self.folder / "bin" / name).chmod(0o755)
        files = {"socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log"}
        files |= {"key-file": "munge.key", "seed-file": "munge.seed"}
        options = [f"--{name}={self.folder / file}" for name, file in files.items()]
        self._daemon("munged", "--foreground", "--force", *options)
        self._daemon("slurmctld", "-D")
        self._daemon("slurmd", "-D", "-N", _HOST)
        for _ in waiting(PATIENCE, "the node to take jobs"):
            with contextlib.suppress(subprocess.CalledProcessError):
                if self.call("sinfo", "--noheader", "--format=%T").strip() == "idle":
                    return

    def stop(self) -> None:
        """Stop what runs, and the daemons."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--user=root")
        for process in self.processes():  # steps that wait for their tasks, and what has left them
            with contextlib.suppress(psutil.Error):
                if process.pid not in {daemon.pid for daemon in self._daemons}:
                    process.kill()
        for daemon in reversed(self._daemons):
            daemon.terminate()
            daemon.wait(PATIENCE)

    def processes(self) -> Iterator[psutil.Process]:
        """Processes of this Slurm and of its jobs, the youngest first."""
        for process in reversed(list(psutil.process_iter())):
            with contextlib.suppress(psutil.Error):
                if process.environ().get("SLURM_CONF") == str(self.folder / "slurm.conf"):
                    yield process

    def _daemon(self, name: str, *options: str) -> None:
        with open(self.folder / f"{name}.out", "wb") as out:
            process = subprocess.Popen(
                [name, *options], env=self.environment(), stdout=out, stderr=out
            )
        self._daemons.append(process)

    def environment(self) -> dict[str, str]:
        """What jobs inherit: as on a node, without USER and a TMPDIR of this machine's own."""
        left = {"USER", "LOGNAME", "TMPDIR", "SLURM_CONF"}
        kept = {name: value for name, value in os.environ.items() if name not in left}
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        return {
            "NUMBA_CACHE_DIR": f"{cache}/dask_horn",  # else each "node" compiles all kernels
            **kept,
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder / 'bin'}:{_PATH}",
            "PYTHONPATH": str(ROOT),
            "INTERFACE": "lo",
            "NO_WORKERS_TIMEOUT": "3s",
        }

    def call(self, *command: str) -> str:
        """Call one of Slurm's commands; return what it says."""
        return subprocess.run(
            command, env=self.environment(), check=True, capture_output=True, text=True, timeout=60
        ).stdout

    def jobs(self, name: str) -> list[str]:
        """Ids of the jobs of a name that wait or run."""
        return self.call("squeue", "--noheader", "--format=%A", f"--name={name}").split()

    def submit(self, script: str, *arguments: object, options: str = "") -> Job:
        """Submit a script of examples/hpc."""
        log = f"--output={self.folder}/%A_%a.log"
        command = ["sbatch", "--parsable", f"--chdir={SCRIPTS}", log, *options.split()]
        given = [str(argument) for argument in arguments]
        return Job(self, self.call(*command, str(SCRIPTS / script), *given).strip())


@dataclass(frozen=True)
class Job:
    """A job, or a task of an array."""

    slurm: Slurm
    id: str

    def shown(self, name: str) -> list[str]:
        """What Slurm knows of the job: a value for each task of an array."""
        words = self.slurm.call("scontrol", "show", "job", "--oneliner", self.id).split()
        return [word.partition("=")[2] for word in words if word.startswith(f"{name}=")]

    @property
    def log(self) -> str:
        """What the job has printed."""
        return "\n".join(
            path.read_text() for path in sorted(self.slurm.folder.glob(f"{self.id}_*.log"))
        )

    def ends(self, within: float = PATIENCE) -> str:
        """Wait for its end; return its state."""
        for _ in waiting(within, f"job {self.id} to end", self):
            states = set(self.shown("JobState"))
            if states <= _ENDED:
                return ",".join(sorted(states))
        raise AssertionError

    def is_requeued(self, times: int = 1) -> None:
        """Wait until it has ended and is in the queue again, then have it start at once."""
        queued = {"PENDING"}, {str(times)}
        for _ in waiting(PATIENCE, f"job {self.id} to be requeued", self):
            if (set(self.shown("JobState")), set(self.shown("Restarts"))) == queued:
                break
        # Slurm would wait for minutes, since a node refuses what starts in the very second in which
        # it has ended what had the same number.
        time.sleep(2)
        for number in self.shown("JobId"):
            self.slurm.call("scontrol", "update", f"JobId={number}", "StartTime=now")

    def cancel(self, *options: str) -> None:
        """Call scancel."""
        self.slurm.call("scancel", *options, self.id)

    def process(self, rank: int, words: str) -> psutil.Process:
        """The Python process of a rank whose command has these words."""
        wanted = {"SLURM_JOB_ID": self.id, "SLURM_PROCID": str(rank)}
        for process in self.slurm.processes():
            with contextlib.suppress(psutil.Error):
                is_python = "python" in process.name() and words in " ".join(process.cmdline())
                if is_python and wanted.items() <= process.environ().items():
                    return process
        raise AssertionError(f"no rank {rank} of job {self.id}: {self.log}")


def waiting(patience: float, what: str, job: Job | None = None) -> Iterator[None]:
    """Look again and again, until patience ends."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        yield
        time.sleep(0.2)
    said = f": {job.shown('JobState')} {job.log}" if job else ""
    raise AssertionError(f"waited {patience:.0f} seconds for {what}{said}")


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens to; each Slurm of parallel tests has its own."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
