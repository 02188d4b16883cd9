"""The recipes of the build images: package data of `bundler.containers.images`."""
