"""How long a molecule may be, and how long RDKit may work on it. Imports nothing."""

__all__ = ["LONGEST", "SECONDS"]

LONGEST = 2_000  # characters; RDKit's time grows faster than the length
SECONDS = 10.0  # of a processor, for one step of the work on one molecule
