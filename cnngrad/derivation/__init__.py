"""The whole argument of the notes as data, for any layer: O, dE/dW, dE/dX, dE/db, and the layer as a matrix."""
