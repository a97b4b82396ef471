"""When not to transfer: baselines, the paired bootstrap and the verdict."""
