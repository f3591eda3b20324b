"""The recipes that come with lebm, one TOML file each; the stem is the name on the command line."""
