"""What a Slurm batch script says."""

import subprocess


def checked(script):
    """Return the script after bash has read it without running it."""
    ran = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert ran.returncode == 0 and not ran.stderr, ran.stderr
    return script


def directives(script):
    """Return the options that the script has for sbatch."""
    return [line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")]
