"""Whether data sets are what they should be: everything that is wrong with them, not only the first.

What a plan refuses is decided by `transfer.layouts`; here its reading functions are asked about every file, and images
are decoded.
"""
