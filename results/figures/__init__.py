"""Drawings of numbers that others computed. Imports matplotlib when something is drawn, and asks for no display."""
