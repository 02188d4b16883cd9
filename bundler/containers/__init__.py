"""The container engine, its images and what runs in them."""
