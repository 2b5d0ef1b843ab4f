"""Postbacks: lead events in, postbacks out, a row for everything."""
