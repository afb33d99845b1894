"""Zarr and its locations: opening, reading, writing and caching arrays of rows."""
