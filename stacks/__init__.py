"""The program: typed settings, the five stages, and the composition of the components."""
