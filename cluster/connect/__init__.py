"""How a sweep reaches the Ray that it runs on: its own, or a cluster, and what has to travel there."""
