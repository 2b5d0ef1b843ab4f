"""Other tools' postback links become ours: what each macro is, what changed, what a person has to look at."""
