"""From the table and the sketches to estimates with intervals."""
