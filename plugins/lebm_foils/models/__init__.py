"""Model families that are compared with energy-based ones."""
