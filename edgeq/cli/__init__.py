"""The commands; one thin module a group, and the only place that prints errors and picks exit codes."""
