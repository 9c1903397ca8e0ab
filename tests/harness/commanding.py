"""What several files of tests do before they look at what a command says."""

from harness import cli, worker


def do(runs, *jobs):
    """Do jobs, here in this process."""
    for job in jobs:
        runs.prepare(job)
        worker.execute(runs.directory(job))


def output(capsys, *arguments):
    """What ``harness ARGUMENTS --profile toy.yaml`` prints on stdout; it ends well."""
    capsys.readouterr()  # what workers in this process have said
    assert cli.main([*arguments, "--profile", "toy.yaml"]) == 0
    return capsys.readouterr().out
