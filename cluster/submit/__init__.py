"""How a sweep is handed to a cluster: Ray Jobs, Slurm, Kubernetes."""
