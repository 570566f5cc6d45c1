"""The ``lumen`` command: thin, over the same domain functions as the Dagster assets."""
