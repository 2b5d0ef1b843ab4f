"""The HTTP API: one table of routes (`table`), which the server, the OpenAPI document and the tests read."""
