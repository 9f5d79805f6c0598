"""What explains a wrong result: recipes of backward passes, how people change them, and one search among these."""
