"""The demo on MNIST: the classic lesson on autoencoders."""
