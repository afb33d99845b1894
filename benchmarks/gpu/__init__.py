"""One GPU: our kernels checked, then timed beside PyTorch and JAX at equal precision.

``python -m benchmarks.gpu`` takes less than 6 minutes on an H100, ``--quick`` less than 2;
``--tiny`` runs every section small, on a machine without a GPU too, to see that the scripts work.
``python -m benchmarks.gpu.experiments`` answers questions of design: docs/research/gpu.md.

`scale` (what is measured in each form), `board` (what came out), `sections` (each in a process of
its own: a GPU that has met with an error serves that process no more), and a module each: `checks`,
`many`, `single`, `masks`, `mnist`; `torch_peers` and `jax_peers`, and `persistent`, a prototype.
"""
