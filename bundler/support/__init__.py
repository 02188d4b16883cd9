"""What every room needs: files, cache, processes, downloads."""
