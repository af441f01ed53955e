"""The trials that Ray Tune runs: a trial trains one point, or many side by side, and reports."""
