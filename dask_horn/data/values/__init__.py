"""What samples and targets mean: dtypes, shapes, forms, labels, padding, standardizing."""
