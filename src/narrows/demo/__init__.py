"""The guided demo on MNIST."""
