"""The search over arms: proposals, trials, pruning and the study that records them."""
