"""What is left out of an archive, and why that is safe."""
