"""What is done to documents: one file or folder a stage."""
