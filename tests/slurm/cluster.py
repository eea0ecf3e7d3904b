"""A real SLURM of one node with two fake GPUs on this machine, as root, without systemd and cgroups.

All its state lies in one folder; only its configuration has to be in /etc/slurm, because Snakemake's job steps
drop SLURM_CONF. Memory and GPUs are counted, not enforced: a fake GPU shows in CUDA_VISIBLE_DEVICES and computes
nothing. SLURM: https://slurm.schedmd.com/slurm.conf.html
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

CONFIGURATION = Path("/etc/slurm")
MARK = "# the one-node cluster of neural-lineage's tests"
DAEMONS = ("munged", "slurmctld", "slurmd")
OF_ACCOUNTING = ("slurmdbd", "mariadbd")
ACCOUNT = "lineage"
GPUS, CPUS, MEMORY_MB = 2, 4, 16_000
LIFETIME = 7200
"""Seconds after which every daemon ends, whatever becomes of the tests."""

SLURM_CONF = """{mark}
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2
KillWait=2
MinJobAge=7200
GresTypes=gpu
{accounting}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=gpu Nodes={host} Default=NO MaxTime=INFINITE State=UP
"""
WITHOUT_ACCOUNTING = "JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none"
WITH_ACCOUNTING = """JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePass={folder}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStorageEnforce=associations
AccountingStoreFlags=job_comment"""
SLURMDBD_CONF = """{mark}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdAddr=127.0.0.1
SlurmUser=root
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct_db
"""


def reason_against(*, accounting: bool) -> str | None:
    """Why no such cluster can be started here; None if it can."""
    wanted = DAEMONS + OF_ACCOUNTING * accounting
    if missing := [name for name in wanted if found(name) is None]:
        return f"{', '.join(missing)} not installed: apt-get install slurm-wlm slurmdbd munge mariadb-server"
    if os.geteuid() != 0:
        return "a cluster is started by root"
    present = CONFIGURATION / "slurm.conf"
    if present.exists() and not present.read_text().startswith(MARK):
        return f"{present} is of another cluster"
    if running := {p.name() for p in psutil.process_iter()} & {"slurmctld", "slurmd", "slurmdbd"}:
        return f"{', '.join(sorted(running))} of another cluster is running"
    return None


def found(daemon: str) -> str | None:
    """Where a daemon is installed."""
    return shutil.which(daemon, path=f"/usr/sbin:/usr/local/sbin:{os.environ.get('PATH', os.defpath)}")


def said(*command: str, timeout: float = 20) -> str:
    """What a command says; it has to succeed."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout).stdout


def eventually(is_so: Callable[[], object], what: str, timeout: float = 30, every: float = 0.1) -> object:
    """Waits until a function gives something true, and gives that."""
    limit, trouble = time.monotonic() + timeout, ""
    while time.monotonic() < limit:
        try:
            if it := is_so():
                return it
        except subprocess.CalledProcessError as error:
            trouble = error.stderr
        time.sleep(every)
    raise TimeoutError(f"{what}: not within {timeout:.0f} s; {trouble}")


class Cluster:
    """Starts the daemons; `stop` ends them.

    Args:
        folder: where their state, logs and sockets are, for every user to enter.
        accounting: with slurmdbd and MariaDB, so that `sacct` works.
    """

    def __init__(self, folder: Path, *, accounting: bool):
        self.folder = folder
        self.accounting = accounting
        self.host = socket.gethostname().partition(".")[0]
        self._daemons: dict[str, subprocess.Popen] = {}
        for name in ("state", "spool", "munge"):
            (folder / name).mkdir()
        self._configure()
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise

    def _configure(self) -> None:
        values = {"mark": MARK, "host": self.host, "folder": self.folder}
        accounting = (WITH_ACCOUNTING if self.accounting else WITHOUT_ACCOUNTING).format(folder=self.folder)
        size = {"cpus": CPUS, "memory": MEMORY_MB, "gpus": GPUS}
        for number in range(GPUS):  # clones of /dev/null
            os.mknod(self.folder / f"gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))
        texts = {
            "slurm.conf": SLURM_CONF.format(accounting=accounting, **values, **size),
            "gres.conf": f"{MARK}\nNodeName={self.host} Name=gpu File={self.folder}/gpu[0-{GPUS - 1}]\n",
        }
        if self.accounting:
            texts["slurmdbd.conf"] = SLURMDBD_CONF.format(**values)
        CONFIGURATION.mkdir(exist_ok=True)
        for name, text in texts.items():
            path = CONFIGURATION / name
            path.write_text(text)
            path.chmod(0o600 if name == "slurmdbd.conf" else 0o644)

    def _start_all(self) -> None:
        key = self.folder / "munge" / "key"
        key.touch(0o600)
        key.write_bytes(os.urandom(128))
        socket_path = f"{self.folder}/munge.socket"
        state = [f"--{name}={self.folder}/munge/{name}" for name in ("log-file", "pid-file", "seed-file")]
        self._start("munged", "-F", "--force", f"--socket={socket_path}", f"--key-file={key}", *state)
        eventually(lambda: said("munge", "-n", "-S", socket_path), "munged")
        if self.accounting:
            self._start_accounting()
        self.start_controller()
        self._start("slurmd", "-D")
        eventually(lambda: "idle" in said("sinfo", "-h", "-o", "%T"), "an idle node")

    def _start_accounting(self) -> None:
        data, sock = self.folder / "mariadb", f"{self.folder}/mariadb.socket"
        said("mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}",
             "--auth-root-authentication-method=normal", timeout=60)  # fmt: skip
        self._start("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={sock}",
                    "--skip-networking", "--innodb-buffer-pool-size=64M",
                    "--innodb-lock-wait-timeout=900")  # fmt: skip
        eventually(lambda: said("mariadb-admin", f"--socket={sock}", "ping"), "MariaDB")
        said("mariadb", f"--socket={sock}", "-e", "create database slurm_acct_db")
        self._start("slurmdbd", "-D", MYSQL_UNIX_PORT=sock)
        eventually(lambda: said("sacctmgr", "-n", "list", "cluster") or True, "slurmdbd")
        said("sacctmgr", "-i", "add", "cluster", "test")
        said("sacctmgr", "-i", "add", "account", ACCOUNT, "cluster=test")
        said("sacctmgr", "-i", "add", "user", "root", f"account={ACCOUNT}")

    def _start(self, name: str, *arguments: str, **environment: str) -> None:
        """Starts a daemon in the foreground, in a group of its own and for a limited time."""
        command = ["timeout", "-k", "5", str(LIFETIME), found(name), *arguments]
        with (self.folder / f"{name}.log").open("a") as log:
            self._daemons[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=os.environ | environment,
            )  # fmt: skip

    def _end(self, name: str) -> None:
        daemon = self._daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait(10)

    def start_controller(self) -> None:
        """Starts slurmctld and waits until it answers."""
        self._start("slurmctld", "-D")
        eventually(lambda: "is UP" in said("scontrol", "ping"), "slurmctld")

    def stop_controller(self) -> None:
        """Ends slurmctld; jobs go on."""
        self._end("slurmctld")

    def stop(self) -> None:
        """Cancels all jobs, ends the daemons, removes the configuration."""
        if "slurmd" in self._daemons:
            with contextlib.suppress(subprocess.SubprocessError, TimeoutError):
                said("scancel", "--full", "--signal=KILL", "--state=RUNNING")
                said("scancel", "--state=PENDING")
                eventually(lambda: not said("squeue", "-h", "-t", "R,CG,PD"), "an empty queue", timeout=10)
        for name in reversed(list(self._daemons)):
            self._end(name)
        for name in ("slurm.conf", "gres.conf", "slurmdbd.conf"):
            (CONFIGURATION / name).unlink(missing_ok=True)
