"""What we need of Kafka and Faust; what we replace of Faust's inner loops lives here and nowhere else."""
