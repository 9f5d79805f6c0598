"""The ways of computing, one module each."""
