"""Known dynamics, costs of trajectories and demonstrations: inverse optimal control."""
