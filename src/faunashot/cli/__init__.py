"""The command ``faunashot``: one thin module a command."""
