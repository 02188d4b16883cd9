"""The columns of records: SQL types, and the values that fit them."""
