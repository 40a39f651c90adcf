"""Mitigations: prompt weights that raise pass@k without lowering pass@1 to first order, one file a method.

∇J_k = E[w_k ∇p], so whatever stays in the span of the prompts' gradients is another prompt weight v(x). Every
function here is pure: what was measured (`Seen`: w, a, ⟨∇J_k, ∇J_1⟩, ‖∇J_1‖², ‖∇J_k‖²) in, a `Reweighting`
out.

The conflict-free mixture, the projection and every method that looks at the 2×2 Gram matrix of (∇J_1, ∇J_k)
alone (UPGrad, PCGrad, MGDA, priority-constrained descent, …) are **one family up to length**: all steps are
α ∇J_k + β ∇J_1, that is v = α w + β, and differ in β/α and in the length of the step. Compare them at equal
step length (`at_length`), or a longer step passes for a better method. Mixture and projection at margin 0 are
even the same direction. Reweighting, clipping and flattening leave the family: they act on each
prompt by its own a(x) or w(x).

What "to first order" means: along the plain gradient step θ + η E[v ∇p], at the measured θ, for η → 0. Under
Adam the inner product that counts is another one.
"""
