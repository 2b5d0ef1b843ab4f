"""The template language: a template compiled once, rendered many times. Pure."""
