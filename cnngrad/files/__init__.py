"""Files: problems and arrays in, results and documents out."""
