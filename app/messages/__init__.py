"""What travels between the stages: the values of the internal topics and how they are packed."""
