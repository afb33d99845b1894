"""Stages and rounds as Dask tasks."""
