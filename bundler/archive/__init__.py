"""Archives: wheels and files become entries, entries become a zip."""
