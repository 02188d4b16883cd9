"""What a person writes into bundle.toml."""
