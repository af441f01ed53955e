"""The driver: it gives the open points of a plan to Ray Tune, and stores the rows that come back."""
