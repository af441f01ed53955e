"""Submits a sweep to a cluster: by Ray Jobs, Slurm or Kubernetes."""
