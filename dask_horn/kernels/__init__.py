"""The arithmetic: compiled kernels that know neither Dask nor Zarr nor networks."""
