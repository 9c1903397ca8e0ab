"""What a few runs can and cannot say. Numbers in, dataclasses out; scipy and statsmodels do the mathematics.

``estimates``     mean, sample std and t-interval of a cell; the gap between two of them (Welch)
``pooling``       the std that the methods of a column share, and whether sharing it is defensible
``contrasts``     every method of a column against a baseline, corrected over the column (Holm)
``effects``       differences in units of the std, with intervals
``equivalence``   two one-sided tests against a margin
``power``         what n runs can detect, and how many runs would decide
``best``          who cannot be told from the best, and how probable it is that the best is best
``ranks``         agreement of two orders of the same methods
``nested``        variance between pre-trainings told from that of fine-tuning
``column``        all of this for one column of a table
``verdicts``      a cell against the published one
``orders``        a difference against the published one, where values are of another scale

No rank test compares runs here: with three runs on each side none can reach 0.05, whatever the numbers (the smallest
exact two-sided p is 0.10). What cannot be tested is None or says ``not testable``, never "not significant".
"""

LEVEL = 0.95
"""Of every interval."""
ALPHA = 0.05
"""Error rate of every test, over the whole column where it is corrected."""
POWER = 0.80
"""With which a difference has to be found to count as detectable."""
