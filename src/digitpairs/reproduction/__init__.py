"""Is a study that was built anew the same? Origin and comparison."""
