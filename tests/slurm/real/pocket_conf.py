"""The configuration files of a Slurm cluster that lives in one folder on one host."""

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup/memory")
PARTITIONS = {
    # A job of `urgent` takes the place of one of the others, which differ in what becomes of that.
    "requeue": "Default=YES PriorityTier=1 PreemptMode=REQUEUE",
    "cancel": "PriorityTier=1 PreemptMode=CANCEL",
    "grace": "PriorityTier=1 PreemptMode=REQUEUE GraceTime={grace}",
    "urgent": "PriorityTier=10 PreemptMode=OFF",
}


def memory_groups():
    """Whether jobs can be held to their memory as real clusters do it (cgroups); else their use is looked at."""
    return (CGROUPS / "memory.limit_in_bytes").exists() and (CGROUPS / "cgroup.procs").exists()


def write(folder, *, nodes, ports, cpus, memory_mb, gpus, max_array, min_age, grace, accounting):
    """``slurm.conf`` and what belongs to it. ``ports`` of controller, slurmdbd and each node."""
    controller, dbd, *node_ports = ports
    limits = _cgroup(folder) if memory_groups() else "TaskPlugin=task/none\nJobAcctGatherParams=OverMemoryKill"
    storage = "none"
    if accounting:
        munge = f"AccountingStoragePass={folder}/munge.socket"  # towards slurmdbd Slurm reads no AuthInfo
        storage = f"slurmdbd\nAccountingStorageHost=localhost\nAccountingStoragePort={dbd}\n{munge}"
    lines = [
        "ClusterName=pocket",
        "SlurmctldHost=localhost(127.0.0.1)",
        f"SlurmctldPort={controller}",
        "SlurmUser=root",
        "SlurmdUser=root",
        "AuthType=auth/munge",
        "CredType=cred/munge",
        f"AuthInfo=socket={folder}/munge.socket,cred_expire=5",  # which is also how long a requeued job waits
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool/%n",
        f"SlurmctldPidFile={folder}/pid.slurmctld",
        f"SlurmdPidFile={folder}/pid.%n",
        f"SlurmctldLogFile={folder}/log/slurmctld",
        f"SlurmdLogFile={folder}/log/%n",
        "ProctrackType=proctrack/linuxproc",
        limits,
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=task=1",
        "MpiDefault=none",
        "GresTypes=gpu",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_CPU_Memory",
        "SlurmdParameters=config_overrides",  # the host has neither these CPUs nor this memory
        "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1,sched_interval=5",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "JobRequeue=1",
        "ReturnToService=2",
        "SlurmctldTimeout=30",
        "SlurmdTimeout=30",  # a node that does not answer is given up
        "KillWait=5",  # between SIGTERM and SIGKILL
        "OverTimeLimit=0",
        f"MinJobAge={min_age}",  # then an ended job is forgotten; by accounting alone it is not
        f"MaxArraySize={max_array}",
        f"AccountingStorageType=accounting_storage/{storage}",
    ]
    for name, port in zip(nodes, node_ports, strict=True):
        lines.append(
            f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={cpus} RealMemory={memory_mb}"
            f" Gres=gpu:{gpus}"
        )
    lines += [
        f"PartitionName={name} Nodes={','.join(nodes)} DefMemPerCPU={memory_mb // cpus // 2} {more.format(grace=grace)}"
        for name, more in PARTITIONS.items()
    ]
    (folder / "slurm.conf").write_text("\n".join([*lines, ""]))
    for number in range(gpus):
        (folder / f"gpu{number}").touch()  # stand-ins: a device is counted by its file
    (folder / "gres.conf").write_text(f"NodeName={','.join(nodes)} Name=gpu File={folder}/gpu[0-{gpus - 1}]\n")
    hosts = [Path("/etc/hosts").read_text().rstrip(), *(f"127.0.0.1 {name}" for name in nodes), ""]
    (folder / "hosts").write_text("\n".join(hosts))


def write_dbd(folder, port):
    """``slurmdbd.conf``: its database is found by MYSQL_UNIX_PORT."""
    file = folder / "slurmdbd.conf"
    file.touch(mode=0o600)  # else slurmdbd does not start
    lines = [
        "AuthType=auth/munge",
        f"AuthInfo=socket={folder}/munge.socket",
        "DbdHost=localhost",
        "DbdAddr=127.0.0.1",
        f"DbdPort={port}",
        "SlurmUser=root",
        f"LogFile={folder}/log/slurmdbd",
        f"PidFile={folder}/pid.slurmdbd",
        "StorageType=accounting_storage/mysql",
        "StorageHost=localhost",
        "StorageUser=root",
        "StorageLoc=slurm_acct_db",
    ]
    file.write_text("\n".join([*lines, ""]))


def _cgroup(folder):
    (folder / "cgroup.conf").write_text(
        f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={CGROUPS.parent}\nConstrainRAMSpace=yes\n"
    )
    return "TaskPlugin=task/cgroup"
