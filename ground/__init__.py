"""The ground floor: what two rooms need and neither owns. It imports no room and nothing heavy."""
