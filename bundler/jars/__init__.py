"""JARs that a job needs beside its Python."""
