"""Benchmarks: what is measured, beside whom, and what came out.

``python -m benchmarks --data FOLDER`` runs all of them in a quick form, into ``benchmarks/quick``;
``--full`` in the form that RESULTS.md reports; ``python -m benchmarks.<name>`` runs one.

The frame: `benchmark` (a section, its record, its command), `timing` (contestants take turns),
`apart` (a function in a process of its own), `datasets`, `report` (tables, machine, sections).

Throughput of a step, one thread, beside PyTorch and beside the products alone: `throughput`
(dense), `convolution`, `recurrent`, `normalization`, `dropconnect_cost`; they share `operations`
(our steps: the one module that knows more than the public names), `torch_steps` and `floors`.

A whole training: `time_to_accuracy` (beside PyTorch), `baselines` (other ways of training on
several workers), `defaults` (beside scikit-learn), `mnist`.

Dask and Zarr: `overhead`, `utilization`, `reading`, `growth`, and `scale_model`, which says what
10,000 workers would do. Starting: `startup`, and `first_quarter_hour`, which does what README says
in a bare environment. And `house` counts the code.

On a GPU: `gpu`, and under faults: `chaos`, folders with commands of their own.
"""
