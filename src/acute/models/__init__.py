"""Loading models and the distribution they are sampled from; shared by rollout and gradients."""
