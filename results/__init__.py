"""Results: published numbers, table layouts, aggregation, renderers."""
