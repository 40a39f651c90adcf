"""Advantage estimators: the rewards of groups in, advantages out, one function a method.

The update of one prompt is (1/n) Σ_i A_i ∇ log π(y_i) with the n responses of its group; each function
says which multiple of which objective's gradient that is on average. `registry` lists them all.
"""
