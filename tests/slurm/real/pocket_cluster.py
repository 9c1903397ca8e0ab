"""A real Slurm on one host, in one folder, as long as the process that started it.

By hand, from the root of the repository (as root; needs slurm-wlm and munge, with ``--accounting`` slurmdbd and
mariadb-server too):

    python tests/slurm/real/pocket_cluster.py /tmp/pocket          # a shell in which sbatch, squeue, … speak to it
    python tests/slurm/real/pocket_cluster.py /tmp/pocket -- COMMAND …
    SLURM_CONF=/tmp/pocket/slurm.conf squeue                       # from anywhere else, while it runs

Leaving the shell ends the cluster. In tests: the fixtures of ``conftest.py``.

Every node is a PID, host-name and mount namespace of its own: its jobs see another host with other processes, and the
death of a node is that of all that runs on it. All daemons die with the process that started them, whatever ends it.
"""

import argparse
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pocket_conf

PROGRAMS = {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "munged": "munge", "unshare": "util-linux"}
DATABASE = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}
DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL")
OWN_HOST = ("unshare", "--uts", "--pid", "--mount-proc", "--kill-child=SIGKILL")
TRACES = ("SLURM", "SBATCH", "SRUN", "SACCT", "SQUEUE", "SINFO", "SCANCEL", "SUBMITIT")


def lacking(accounting=False):
    """Why there can be no cluster here; empty if there can."""
    wanted = {**PROGRAMS, **(DATABASE if accounting else {})}
    missing = sorted({package for program, package in wanted.items() if not _program(program)})
    if missing:
        return f"a real Slurm needs the Debian packages {', '.join(missing)}"
    if os.geteuid() != 0:
        return "a real Slurm needs root, for nodes of its own on this host"
    tried = subprocess.run([*OWN_HOST, "hostname", "pocket"], capture_output=True, text=True, check=False)
    return f"a node cannot be set apart from this host: {tried.stderr.strip()}" if tried.returncode else ""


class PocketCluster:
    """Munge, a controller and nodes; with ``accounting`` slurmdbd on a MariaDB too. Use ``with`` or ``stop``."""

    def __init__(
        self, folder, *, nodes=2, cpus=2, memory_mb=8000, gpus=2, max_array=1001, min_age=5, grace=20, accounting=False
    ):
        self.folder, self.accounting = Path(folder).resolve(), accounting
        self.folder.mkdir(parents=True, exist_ok=True)
        ports = _free_ports(nodes + 2)
        # Two clusters on one host: Slurm's control groups are named by the node alone.
        self.nodes = [f"n{port}" for port in ports[2:]]
        self.processes = {}
        for name in ("state", "spool", "log"):
            (self.folder / name).mkdir(exist_ok=True)
        pocket_conf.write(
            self.folder, nodes=self.nodes, ports=ports, cpus=cpus, memory_mb=memory_mb, gpus=gpus, max_array=max_array,
            min_age=min_age, grace=grace, accounting=accounting,
        )  # fmt: skip
        if accounting:
            pocket_conf.write_dbd(self.folder, ports[1])
        clean = {name: value for name, value in os.environ.items() if not name.startswith(TRACES)}
        self.environment = {**clean, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Returns once every node is idle."""
        self._start_munge()
        if self.accounting:
            self._start_database()
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        self.wait_until(lambda: self.node_states() == ["idle"] * len(self.nodes))

    def stop(self):
        """Everything is gone when this returns, jobs included."""
        for name in self.nodes:
            if name in self.processes:
                self.kill_node(name)
        while self.processes:
            _, process = self.processes.popitem()  # the last one that was started
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name in self.nodes:
            _remove_groups(pocket_conf.CGROUPS / f"slurm_{name}")

    def start_controller(self):
        self._daemon("slurmctld", _program("slurmctld"), "-D")
        self.wait_until(lambda: self.call("scontrol", "ping").returncode == 0)

    def stop_controller(self):
        """It saves its state and goes; jobs stay at work."""
        process = self.processes.pop("slurmctld")
        process.terminate()
        process.wait()

    def start_node(self, name):
        inside = f'mount --bind {self.folder}/hosts /etc/hosts && hostname {name} && {{ "$0" -D -N {name} & wait; }}'
        self._daemon(name, *OWN_HOST, "bash", "-c", inside, _program("slurmd"))

    def kill_node(self, name):
        """As if its plug had been pulled: the daemon, the steps and their processes are gone at once."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def hide(self, name, folder):
        """On one node there is nothing in ``folder``, as if a file system were not mounted there; ``kill_node`` ends
        it."""
        self.run("nsenter", f"--target={self._daemon_of(name)}", "--mount", "mount", "-t", "tmpfs", "tmpfs", folder)

    def cut_off(self, name):
        """As if its network had failed: the daemon does not answer, the jobs go on. Ends with ``kill_node``."""
        os.kill(self._daemon_of(name), signal.SIGSTOP)

    def reconnect(self, name):
        """A node that was cut off answers again."""
        os.kill(self._daemon_of(name), signal.SIGCONT)

    def kill_jobs(self, name):
        """All that runs for jobs on a node is gone at once, batch scripts and slurmstepd too; the daemon lives."""
        daemon, here = self._daemon_of(name), os.getpid()
        space = os.readlink(f"/proc/{daemon}/ns/pid")
        parent = int(Path(f"/proc/{daemon}/stat").read_text().rpartition(")")[2].split()[1])
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                inside = os.readlink(folder / "ns" / "pid") == space
            except OSError:
                continue
            if inside and int(folder.name) not in {daemon, parent, here}:
                with contextlib.suppress(ProcessLookupError):  # gone by itself since, or with its parent
                    os.kill(int(folder.name), signal.SIGKILL)

    def _daemon_of(self, name):
        inside = self.processes[name].pid
        for _ in range(2):  # unshare's first child is a shell, the shell's first is the daemon
            inside, *_ = map(int, Path(f"/proc/{inside}/task/{inside}/children").read_text().split())
        return inside

    def stop_accounting(self):
        process = self.processes.pop("slurmdbd")
        process.kill()
        process.wait()

    def call(self, *command, **options):
        """A command of Slurm; its output as text."""
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=60, check=False, **options
        )

    def run(self, *command):
        """The output of a command that must not fail."""
        done = self.call(*command)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}{done.stdout}"
        return done.stdout

    def node_states(self):
        states = self.call("sinfo", "--noheader", "--Node", "--partition", "requeue", "--format", "%T").stdout
        return states.split()

    def logs(self):
        """The last lines of every daemon's log, for a test that failed."""
        tails = {file.name: file.read_text(errors="replace").splitlines()[-15:] for file in self.folder.glob("log/*")}
        return "\n".join(f"== {name}\n" + "\n".join(lines) for name, lines in sorted(tails.items()))

    def wait_until(self, condition, seconds=180):
        """Wait for something that another process does."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f"waited in vain\n{self.logs()}"
            time.sleep(0.1)
        return value

    def _start_munge(self):
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(random.SystemRandom().randbytes(64))
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
        options = [f"--{option}={self.folder}/munge.{file}" for option, file in files.items()]
        # --force: whoever else may write to the folder is no concern here.
        self._daemon("munged", _program("munged"), "--foreground", "--force", *options)
        self.wait_until((self.folder / "munge.socket").exists)

    def _start_database(self):
        data, at = self.folder / "mariadb", self.folder / "mariadb.socket"
        install = ("mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db")
        done = self.call(*install, f"--datadir={data}", "--auth-root-authentication-method=normal")
        assert done.returncode == 0, done.stderr
        small = ("--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0")
        options = ("--no-defaults", "--user=root", f"--datadir={data}", f"--socket={at}", "--skip-networking", *small)
        self._daemon("mariadbd", _program("mariadbd"), *options, f"--pid-file={self.folder}/pid.mariadbd")
        self.wait_until(lambda: self.call("mariadb-admin", "--no-defaults", f"--socket={at}", "ping").returncode == 0)
        self.environment["MYSQL_UNIX_PORT"] = str(at)
        self._daemon("slurmdbd", _program("slurmdbd"), "-D")
        self.wait_until(lambda: self.call("sacctmgr", "--noheader", "show", "cluster").returncode == 0)

    def _daemon(self, name, *command):
        with open(self.folder / f"output.{name}", "ab") as output:
            self.processes[name] = subprocess.Popen(
                [*DIE_WITH_US, *command],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for the tests
            )


def _program(name):
    """Where a program is; daemons are not always on the path."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _free_ports(number):
    """Ports that nobody listens on, below those that the kernel gives to connections."""
    found = []
    for port in random.SystemRandom().sample(range(20_000, 32_000), 1000):
        with socket.socket() as one:
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == number:
            return found
    raise OSError("no free port")


def _remove_groups(group):
    """Control groups that jobs of a node left: a folder can go once its processes are dead."""
    for _ in range(50):
        for folder, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                time.sleep(0.02)
        if not group.exists():
            return


def main():
    parser = argparse.ArgumentParser(description="a Slurm cluster on this host, as long as a shell or a command runs")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--cpus", type=int, default=2, help="of a node; the host need not have them")
    parser.add_argument("--max-array", type=int, default=1001)
    parser.add_argument("--accounting", action="store_true", help="slurmdbd on a MariaDB")
    parser.add_argument("command", nargs="*", default=[os.environ.get("SHELL", "/bin/bash")])
    chosen = parser.parse_args()
    if problem := lacking(chosen.accounting):
        sys.exit(problem)
    options = {"nodes": chosen.nodes, "cpus": chosen.cpus, "max_array": chosen.max_array}
    with PocketCluster(chosen.folder, accounting=chosen.accounting, **options) as cluster:
        print(cluster.run("sinfo"), end="", flush=True)
        sys.exit(subprocess.run(chosen.command, env=cluster.environment, check=False).returncode)


if __name__ == "__main__":
    main()
