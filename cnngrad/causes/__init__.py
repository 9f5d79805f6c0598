"""Explaining a wrong result: recipes of backward passes, the mistakes that change them, and one search among these."""
