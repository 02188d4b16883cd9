"""Source distributions and source trees -> wheels."""
