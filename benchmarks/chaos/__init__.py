"""Chaos: a training whose workers, scheduler and client are killed, paused and replaced at random.

``python -m benchmarks.chaos`` runs 30 seeded faults and writes the section of RESULTS.md;
``--short`` a few, into ``benchmarks/quick``, as the tests do.

`training` is what is trained, in a process of its own; `processes` are those of the cluster;
`faults` draws what goes wrong; `run` makes it go wrong, and `table` tells what came of it.
"""
