"""What a run costs before it starts: tokens, operations, memory, disk, time. Formulas alone, no model."""
