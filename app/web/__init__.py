"""The worker's own web server."""
