"""What the points tell: the best, what matters, learning curves, what ASHA did."""
