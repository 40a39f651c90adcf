"""Are the intervals' 95 % and the estimates' unbiasedness true? Simulated, against exact values."""
