"""What users pass: checked and brought into Zarr, or predicted on chunk by chunk."""
