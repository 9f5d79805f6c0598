"""Views of a derivation, a result or a report: the terminal, and one module for each kind of document."""
