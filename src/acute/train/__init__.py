"""Post-training with an objective and a mitigation, on TRL's `GRPOTrainer`."""
