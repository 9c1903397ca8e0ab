"""One page that holds it all: tables, figures, verdicts, failures, provenance. Needs no other file and no network."""
