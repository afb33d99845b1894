"""The baselines that HORN-27 was written against, on our kernels and on Dask."""
