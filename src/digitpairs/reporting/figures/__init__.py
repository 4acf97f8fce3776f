"""The figures, a module each; `READS` names the tables that its `draw` takes."""
